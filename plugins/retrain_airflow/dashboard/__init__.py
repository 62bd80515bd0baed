"""The dashboard in Airflow's own pages: what the browser runs is in `static`, and asks the REST API alone."""
