"""The command `export`: a page that writes, an ONNX file, or a folder with a model card."""
