"""What runs the course: notebooks, pages, editions, site. For maintainers.

setup_cell     the second cell of every notebook
colab          what Colab lacks
run            execute the notebooks
kernel         a kernel for each of them
pages          notebooks as pages
badges         buttons for Colab and Binder
binder         what Binder installs
lessons        what the titles of the notebooks say
minutes        how long a lesson takes
editions       the learner's copy
instructor     nbgrader's source tree, slides
website        the site
paper          one page to print, and its PDF
lite           a trial: lessons in a browser, without an install
readme_tables  the README's tables
coverage       simulated: do intervals hold the truth?  (lesson 6)
"""
