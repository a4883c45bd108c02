"""KuCoin's REST and WebSocket protocol around the matching engine.

One module a subject: ``signing``, ``weights`` (request quota), ``tokens``,
``rest_public``, ``rest_account`` and ``rest_spot`` (routes), ``streams``
(topics), ``order_entry`` (orders over WebSocket), ``faults`` and ``admin``
(what a test may do to its clients), ``playing`` (books into the engine),
``app`` (all of it, listening). What an order does to a book belongs in
``exchange.engine``; where books come from, in ``research``.
"""
