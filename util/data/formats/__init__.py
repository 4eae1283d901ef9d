"""Foreign films, read within bounds that are checked first.

png_jpeg      PNG and JPEG to gray levels
dicom_header  the few elements that a picture needs
dicom_gray    stored values to gray levels
dicom         a DICOM film, bone bright
"""
