import CBundle
