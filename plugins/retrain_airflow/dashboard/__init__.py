"""The dashboard in Airflow's own pages. The browser runs the files in `static`, which call only the REST API."""
