-- product-views: which products are seen, by how many, and put into carts
-- group: behaviour
-- columns: product_id bigint, product_name text, views bigint, visitors bigint, users bigint, failed_views bigint, cart_adds bigint, view_to_cart double
-- key: product_id
-- top: 10
-- headlines: Product views = views
-- chart: bar product_id product_name views
-- product_name: the latest name in the product's cart lines of the time asked for; empty if there are none
-- views: pages of the product that were shown (status below 400)
-- visitors: distinct visitors who saw it
-- users: distinct logged-in users who saw it
-- failed_views: pages of the product that were asked for and not shown (status 400 and above)
-- cart_adds: successful additions to a cart, each counted once though it writes two lines
-- view_to_cart: cart_adds / views
WITH touched AS (
  SELECT
    product,
    product_name,
    timestamp,
    visitor_id,
    user_id,
    CASE WHEN event_type = 'view' AND entity_type = 'product' AND response_status < 400 THEN 1 ELSE 0 END AS is_view,
    CASE WHEN event_type = 'view' AND entity_type = 'product' AND response_status >= 400 THEN 1 ELSE 0 END AS is_failed,
    CASE
      WHEN event_type = 'cart_add' AND kind = 'action' THEN 1
      WHEN event_type = 'cart_add' AND kind = 'request' AND NOT paired
        AND user_id IS NOT NULL AND response_status < 400 THEN 1
      ELSE 0
    END AS is_cart_add
  FROM events
  WHERE product IS NOT NULL AND event_type IN ('view', 'cart_add', 'cart_remove')
),
counted AS (
  SELECT
    product AS product_id,
    SUM(CAST(is_view AS BIGINT)) AS views,
    COUNT(DISTINCT CASE WHEN is_view = 1 THEN visitor_id END) AS visitors,
    COUNT(DISTINCT CASE WHEN is_view = 1 THEN user_id END) AS users,
    SUM(CAST(is_failed AS BIGINT)) AS failed_views,
    SUM(CAST(is_cart_add AS BIGINT)) AS cart_adds
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
  views,
  visitors,
  users,
  failed_views,
  cart_adds,
  CASE WHEN views > 0 THEN CAST(cart_adds AS DOUBLE) / CAST(views AS DOUBLE) END AS view_to_cart
FROM counted LEFT JOIN names ON counted.product_id = names.named_product
WHERE views > 0 OR failed_views > 0 OR cart_adds > 0
ORDER BY views DESC, visitors DESC, product_id
