"""The course as a site, made by Sphinx.

build  sources for Sphinx, and the build
conf   Sphinx's settings
"""
