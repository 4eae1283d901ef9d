"""A progress bar where somebody is watching, silence where nobody is."""

from util import settings


def progress(iterable, label, total=None):
    """Iterate with a progress bar.

    Parameters
    ----------
    iterable : any iterable
    label : str, shown before the bar
    total : int, number of items when ``len(iterable)`` is not known

    The bar goes to stderr and is erased at the end. It is off when COURSE_BATCH=1, so that a saved
    notebook holds no text that changes from run to run.
    """
    from tqdm import tqdm

    return tqdm(iterable, desc=label, total=total, leave=False, disable=settings.batch())
