"""Folders with files byte for byte in the formats in which NIH distributes them."""

import gzip
import zipfile

import numpy as np
from PIL import Image

from util.data.cohort import load_cohort

HEAD_2020 = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)


HEAD_BOXES = "Image Index,Finding Label,Bbox [x,y,w,h],,,"  # nine fields count the commas inside the brackets


class NihFolder:
    """A folder with files byte for byte in the formats in which NIH distributes them."""

    def __init__(self, root):
        self.root = root

    def labels(self, *rows, version=2020, packing=""):
        """Write a label file; a row is (image, labels, follow-up, patient, age, sex, view) or part of it."""
        lines, end = [HEAD_2020], "\n"
        for row in rows:
            row = (*row, *("x.png", "No Finding", 0, 1, 50, "F", "PA")[len(row) :])
            lines.append(",".join(map(str, row)) + ",2500,2048,0.168,0.168")
        if version == 2017:
            lines[0], end = lines[0] + ",", "\r\n"
            lines[1:] = [line + "," for line in lines[1:]]
        name = "Data_Entry_2017_v2020.csv" if version == 2020 else "Data_Entry_2017.csv"
        return self.pack(name, "".join(line + end for line in lines), packing)

    def boxes(self, *rows, packing=""):
        """Write a box list; a row is (image, finding, x, y, w, h) in films of 1024 x 1024 pixels."""
        lines = [HEAD_BOXES, *(",".join(map(str, row)) for row in rows)]
        return self.pack("BBox_List_2017.csv", "".join(line + "\n" for line in lines), packing)

    def pack(self, name, text, packing):
        """Write a text plain, as .gz or as .zip; the path."""
        path = self.root / f"{name}{packing}"
        if packing == ".gz":
            path.write_bytes(gzip.compress(text.encode()))
        elif packing == ".zip":
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr(name, text)
        else:
            path.write_bytes(text.encode())
        return path

    def film(self, name, shape=(64, 64), mode="L", folder="images"):
        """Write a film of random gray levels, shape (h, w); returns its pixels, uint8 (h, w)."""
        pixels = np.random.default_rng(list(name.encode())).integers(0, 256, shape, dtype=np.uint8)
        (self.root / folder).mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(pixels)
        if mode == "RGBA":
            image = Image.merge("RGBA", [image, image, image, Image.new("L", image.size, 255)])
        image.save(self.root / folder / name)
        return pixels

    def load(self):
        """The cohort in this folder."""
        return load_cohort("nih", self.root)
