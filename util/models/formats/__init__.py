"""Weights of other people, read without running anything in them.

kinds          which format is it?
limits         what a file may cost
pickles        a pickle, read as data
torch_pickle   PyTorch's files
hdf5           Keras 2 as HDF5
apart          a library in a process of its own
checkpoint     TensorFlow's checkpoints
crc32c         their check sum
into_densenet  names and shapes into a DenseNet-121 of ours
"""
