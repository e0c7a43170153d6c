"""Cheap predictions of which support will help a target, before it is tried. Without torch.

One method a file. Each says of supports a number, the larger the more promising; none is to be
believed unheard: ``regret`` measures what following it would have cost in finished studies.
"""
