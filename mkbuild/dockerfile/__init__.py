"""The Dockerfile language: parser, word expansion, instructions, lint."""
