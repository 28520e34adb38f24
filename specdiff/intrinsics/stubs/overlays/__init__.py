"""Methods that replace those of analysed library classes, where the originals are about the machine."""
