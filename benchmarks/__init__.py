"""Figures, in one run, beside nginx and mod_auth_openidc: ratios, never absolute promises."""
