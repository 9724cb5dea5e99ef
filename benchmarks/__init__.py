"""How well it is fitted: references, runs, scores, reports, comparisons and the asv suites.

asv imports every module below this package and takes any function or method called
``time_*``, ``track_*``, ``mem_*``, ``peakmem_*`` or ``timeraw_*`` for a benchmark. So
importing a module here does nothing, and such names are the suites' alone.
"""
