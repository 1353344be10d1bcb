"""How images and labels are found, decoded and cached, whatever data set they are of."""
