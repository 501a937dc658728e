"""The server: models that write for programs over HTTP, as OpenAI's completions do, many texts side by side."""
