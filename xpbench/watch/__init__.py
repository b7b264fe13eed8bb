"""After shipping: the contract of the plan, kept, breached, overdue or not answerable; and what the past adds up to."""
