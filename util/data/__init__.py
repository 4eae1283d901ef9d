"""What is one row, one film, one box? Lessons 2, 3 and 12.

cohort       two cohorts behind one interface  (lesson 2, section 1)
nih          ChestX-ray14's own files  (lesson 2)
chestxray14  facts measured on its label table  (lesson 2)
images       from a file to gray levels  (lesson 2, section 5)
own_film     a film of your own: PNG, JPEG, DICOM  (lesson 9)
outlines     boxes and masks  (lessons 9 and 10)
edits        erase, print, mirror, re-window  (lesson 12)
splits       whole patients to each split  (lesson 3)
film_hash    256 bits that know a film again  (lesson 3)
tables       foreign tables, read within bounds  (lesson 2)
published    predictions that others published  (lesson 17)
fetch_nih    fetch real films  (README)
download     one verified file  (README)
formats      PNG, JPEG and DICOM, within bounds  (SECURITY.md)
"""
