"""Wrapping: a .tflite file of any origin and labelled data in, a bundle with profile and golden inputs out."""
