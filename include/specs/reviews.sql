-- The rating decides: a review with 5 to 8 points neither praises nor damns, and stays without a label.
SELECT
    review_id,
    text,
    written_on,
    CASE WHEN rating >= 9 THEN 'positive' WHEN rating <= 4 THEN 'negative' END AS sentiment
FROM reviews
WHERE text IS NOT NULL
