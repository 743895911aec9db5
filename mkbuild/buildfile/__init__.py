"""The build file: pydantic models, variables, includes, profiles."""
