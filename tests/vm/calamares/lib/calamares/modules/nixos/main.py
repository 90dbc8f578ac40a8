raise SystemExit("the module of upstream")
