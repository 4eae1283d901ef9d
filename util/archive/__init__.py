"""How are a million films scored? One code path reads, scores and writes; an engine only spreads it.

sources  films of a folder, a list, a zip, a tar or a remote place, one reference after another
reader   one film in a process of its own, within a time and a memory
readers  as many of these processes as there are cores, films in order
block    a block of films becomes a table of rows
parts    the files of an archive, and how they are read
writing  tables become files of an archive, each whole or not there
local    the engine of one machine
run      a source into an archive, with an engine
score    the command
on_ray   the engine of a cluster
columns  one column of an archive at a time
report   AUCs by patient
audit    what leaks
drift    what has changed
features for a linear probe
look     the command that looks
"""
