"""Which static files are collected: of the browser libraries only the builds that pages use."""

from django.contrib.staticfiles.apps import StaticFilesConfig


class StaticFiles(StaticFilesConfig):
    """Leaves out 45 of echarts' 51 MB: full, common and simple builds with their source maps."""

    ignore_patterns = [
        *StaticFilesConfig.ignore_patterns,
        "echarts.js*",
        "echarts.common*",
        "echarts.simple*",
        "*.esm.js*",
        "*.esm.mjs*",
        "extension",
        "bootstrap-*",
    ]
