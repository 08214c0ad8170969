-- cart: what is put into carts and taken out again, a product a row
-- group: behaviour
-- columns: product_id bigint, product_name text, adds bigint, visitors bigint, units_added bigint, value_added double, removes bigint, units_removed bigint, remove_rate double
-- key: product_id
-- top: 10
-- chart: bar product_id product_name adds
-- product_name: the latest name in the product's cart lines of the time asked for; empty if none says it
-- adds: successful additions to a cart, each counted once though it writes two lines
-- visitors: distinct visitors who added it
-- units_added: how many pieces were added, as the additions' own lines say
-- value_added: price × pieces of the additions, in the shop's currency
-- removes: successful removals, each counted once
-- units_removed: how many pieces were taken out
-- remove_rate: units_removed / units_added
WITH touched AS (
  SELECT
    product,
    product_name,
    timestamp,
    CASE WHEN event_type = 'cart_add' THEN 1 ELSE 0 END AS is_add,
    CASE WHEN event_type = 'cart_add' THEN visitor_id END AS adder,
    CASE WHEN event_type = 'cart_add' AND quantity BETWEEN 0 AND 1000000000 THEN quantity END AS units_added,
    CASE
      WHEN event_type = 'cart_add' AND product_price * CAST(quantity AS DOUBLE) BETWEEN 0 AND 10000000000
        THEN ROUND(product_price * CAST(quantity AS DOUBLE) * 10000)
    END AS parts,
    CASE WHEN event_type = 'cart_remove' AND removed_quantity BETWEEN 0 AND 1000000000 THEN removed_quantity END AS units_removed
  FROM events
  WHERE product IS NOT NULL AND event_type IN ('cart_add', 'cart_remove')
    AND (kind = 'action' OR (kind = 'request' AND NOT paired AND user_id IS NOT NULL AND response_status < 400))
),
counted AS (
  SELECT
    product AS product_id,
    SUM(CAST(is_add AS BIGINT)) AS adds,
    COUNT(DISTINCT adder) AS visitors,
    COALESCE(SUM(CAST(units_added AS BIGINT)), 0) AS units_added,
    COALESCE(SUM(CAST(parts AS BIGINT)), 0) AS parts,
    SUM(CAST(1 - is_add AS BIGINT)) AS removes,
    COALESCE(SUM(CAST(units_removed AS BIGINT)), 0) AS units_removed
  FROM touched
  GROUP BY product
),
named AS (
  SELECT product, product_name, timestamp FROM touched WHERE product_name IS NOT NULL
),
latest AS (
  SELECT product, MAX(timestamp) AS latest_time FROM named GROUP BY product
),
names AS (
  SELECT named.product AS named_product, MIN(named.product_name) AS product_name
  FROM named INNER JOIN latest ON named.product = latest.product
  WHERE named.timestamp = latest.latest_time
  GROUP BY named.product
)
SELECT
  product_id,
  product_name,
  adds,
  visitors,
  units_added,
  ROUND(CAST(parts AS DOUBLE) / CAST(10000 AS DOUBLE), 4) AS value_added,
  removes,
  units_removed,
  CASE WHEN units_added > 0 THEN CAST(units_removed AS DOUBLE) / CAST(units_added AS DOUBLE) END AS remove_rate
FROM counted LEFT JOIN names ON counted.product_id = names.named_product
ORDER BY adds DESC, visitors DESC, product_id
