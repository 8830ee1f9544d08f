"""Drives by FTP, for who has no other client: list a project's volumes, download any of them as RAW, upload
one. A client of the public API, with no private door: who signs in is an application credential.

Off unless `ftp_listen` is set.
"""
