"""Checks of the exercises: one module for each lesson, named like its notebook; one ``check_...`` for each exercise.

answers     what every check is made of: probes, named mistakes, hints as a ladder
"""
