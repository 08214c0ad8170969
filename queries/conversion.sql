-- conversion: each day's visitors: who looked, filled a cart, and bought
-- group: behaviour
-- columns: date date, visitors bigint, viewers bigint, cart_visitors bigint, checkout_visitors bigint, purchasers bigint, purchases bigint, view_rate double, cart_rate double, checkout_rate double, conversion double
-- key: date
-- top: 0
-- headlines: Purchases = purchases
-- chart: line date conversion
-- visitors: distinct visitors who made a request on this day
-- viewers: distinct visitors who saw a product; the order of steps, which funnel minds, is of no account here and in the next three
-- cart_visitors: distinct visitors who put a product into the cart
-- checkout_visitors: distinct visitors who saw the checkout page
-- purchasers: distinct visitors who bought: who saw the confirmation page of an order (status 200), or have an event purchase
-- purchases: orders, each once, on the day its confirmation page was first shown in the period; or events purchase, where there are more of these
-- view_rate: viewers / visitors
-- cart_rate: cart_visitors / visitors
-- checkout_rate: checkout_visitors / visitors
-- conversion: purchasers / visitors
WITH done AS (
  SELECT
    event_date,
    visitor_id,
    MAX(CASE WHEN kind = 'request' THEN 1 ELSE 0 END) AS came,
    MAX(CASE
      WHEN event_type = 'view' AND entity_type = 'product' AND entity_id IS NOT NULL AND response_status < 400 THEN 1
      ELSE 0
    END) AS viewed,
    MAX(CASE
      WHEN event_type = 'cart_add' AND (kind = 'action' OR (kind = 'request' AND NOT paired
        AND user_id IS NOT NULL AND response_status < 400)) THEN 1
      ELSE 0
    END) AS filled,
    MAX(CASE WHEN page = '/checkout' AND method = 'GET' AND response_status = 200 THEN 1 ELSE 0 END) AS checked_out,
    MAX(CASE
      WHEN event_type = 'purchase' OR (page = '/orders/{id}/confirmation' AND response_status = 200) THEN 1
      ELSE 0
    END) AS bought,
    SUM(CAST(CASE WHEN event_type = 'purchase' AND NOT paired THEN 1 ELSE 0 END AS BIGINT)) AS purchase_events
  FROM events
  WHERE event_date IS NOT NULL
  GROUP BY event_date, visitor_id
),
counted AS (
  SELECT
    event_date,
    SUM(CAST(CASE WHEN visitor_id IS NOT NULL THEN came ELSE 0 END AS BIGINT)) AS visitors,
    SUM(CAST(CASE WHEN visitor_id IS NOT NULL THEN viewed ELSE 0 END AS BIGINT)) AS viewers,
    SUM(CAST(CASE WHEN visitor_id IS NOT NULL THEN filled ELSE 0 END AS BIGINT)) AS cart_visitors,
    SUM(CAST(CASE WHEN visitor_id IS NOT NULL THEN checked_out ELSE 0 END AS BIGINT)) AS checkout_visitors,
    SUM(CAST(CASE WHEN visitor_id IS NOT NULL THEN bought ELSE 0 END AS BIGINT)) AS purchasers,
    SUM(CAST(purchase_events AS BIGINT)) AS purchase_events
  FROM done
  GROUP BY event_date
),
confirmed AS (
  SELECT SPLIT_PART(path, '?', 1) AS order_path, event_date
  FROM events
  WHERE page = '/orders/{id}/confirmation' AND response_status = 200
),
orders AS (
  SELECT order_path, MIN(event_date) AS order_date FROM confirmed GROUP BY order_path
),
ordered AS (
  SELECT order_date, COUNT(*) AS orders FROM orders GROUP BY order_date
)
SELECT
  event_date AS date,
  visitors,
  viewers,
  cart_visitors,
  checkout_visitors,
  purchasers,
  CASE WHEN orders >= purchase_events THEN orders ELSE purchase_events END AS purchases,
  CASE WHEN visitors > 0 THEN CAST(viewers AS DOUBLE) / CAST(visitors AS DOUBLE) END AS view_rate,
  CASE WHEN visitors > 0 THEN CAST(cart_visitors AS DOUBLE) / CAST(visitors AS DOUBLE) END AS cart_rate,
  CASE WHEN visitors > 0 THEN CAST(checkout_visitors AS DOUBLE) / CAST(visitors AS DOUBLE) END AS checkout_rate,
  CASE WHEN visitors > 0 THEN CAST(purchasers AS DOUBLE) / CAST(visitors AS DOUBLE) END AS conversion
FROM counted LEFT JOIN ordered ON counted.event_date = ordered.order_date
ORDER BY date
