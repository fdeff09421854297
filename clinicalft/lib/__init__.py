"""Pure ground that every app stands on: character offsets, content hashes, strict JSON Lines. No Django here."""
