-- abandoned-carts: products that visitors put into the cart and left there
-- params: min_visitors bigint = 2
-- columns: product_id bigint, product_name text, visitors bigint, left_it bigint, left_rate double
-- key: product_id
-- top: 10
-- chart: bar product_name left_it
-- min_visitors: leave out products that fewer visitors put into the cart
-- visitors: distinct visitors who put it into the cart
-- left_it: those of them who never bought anything
-- left_rate: left_it / visitors
WITH buyers AS (
  SELECT DISTINCT visitor_id AS buyer
  FROM events
  WHERE page = '/orders/{id}/confirmation' AND response_status = 200
),
carts AS (
  SELECT product, MAX(product_name) AS product_name, visitor_id
  FROM events
  WHERE event_type = 'cart_add' AND kind = 'action' AND product IS NOT NULL AND visitor_id IS NOT NULL
  GROUP BY product, visitor_id
),
counted AS (
  SELECT
    product AS product_id,
    MAX(product_name) AS product_name,
    COUNT(*) AS visitors,
    SUM(CAST(CASE WHEN buyer IS NULL THEN 1 ELSE 0 END AS BIGINT)) AS left_it
  FROM carts LEFT JOIN buyers ON carts.visitor_id = buyers.buyer
  GROUP BY product
)
SELECT
  product_id,
  product_name,
  visitors,
  left_it,
  CAST(left_it AS DOUBLE) / CAST(visitors AS DOUBLE) AS left_rate
FROM counted
WHERE visitors >= /*:min_visitors*/ 2
ORDER BY left_it DESC, visitors DESC, product_id
