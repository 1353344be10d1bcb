"""Networks that are not built in: a user's code, exported programs, ONNX files, timm, torchvision."""
