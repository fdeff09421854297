"""The demo: three projects on real public text, built by the real actions. Nobody imports this but its command."""
