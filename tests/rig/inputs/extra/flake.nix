{ outputs = _: { greeting = "good morning"; }; }
