"""What people read: invoices as PDF, and letters, in the account's language.

`words` has every text in every language; `invoice_pdf` and `letters` lay them out.
"""
