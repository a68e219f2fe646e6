"""Signals that look like the real ones: what a simulated device measures, with time passed in.

Nothing here has I/O or a clock. Chance comes from a ``random.Random`` that the device owns (the same calls give the
same values), or from a text ``seed`` (the same question has the same answer, whoever asks, in any order): what several
devices must agree on is of the second sort. ``zone`` is an IANA time zone. docs/simulation.md says what each is
modelled on.

==============  =======================================================================================================
`day`           ``local_hour(now_ms, zone)``, ``local_date``, ``midnight_ms(date, zone)``, ``is_weekend``,
                ``bump(hour, centre, width)``, ``seconds_until(hour, now_ms, zone)``
`noise`         ``Drift(rng, sigma=, tau_s=).at(now_ms)``; ``poisson(rng, mean)``;
                ``wander(seed, now_ms, period_s)``: the same slow noise for all who share the seed
`rhythm`        ``Pattern`` (normal, bradycardia, tachycardia, atrial_fibrillation, premature_ventricular_beats,
                ventricular_tachycardia, st_elevation, asystole); ``rate_of(pattern, heart_rate)``: the rate that the
                pattern allows; ``Heart(rng, pattern).beats(until_s, heart_rate)``: the beats since the last call
`ecg`           ``strip(rng, heart_rate, pattern=, lead=, artefacts=)`` and, for several leads of the same beats,
                ``strips(rng, beats, pattern=, leads=, artefacts=)``: 250 Hz, 10 s, mV, leads I, II, V5;
                artefacts: motion, mains, lead_off
`pleth`         ``strip(rng, beats, seconds=, rate_hz=, perfusion=, probe_off=)`` of the beats of an ECG, or live:
                ``Finger(rng, rate_hz=).read(now_ms, pulse=, perfusion=, pattern=, probe_off=)``: the samples since
                the last call, 0 to 100 %; ``perfusion_of(systolic, skin=)``, the perfusion index in %
`physiology`    ``Body(seed, rng, zone)``: ``read(key, now_ms)`` for each of ``VITALS`` (pulse, spo2, respiration,
                systolic, diastolic, glucose, temperature, weight, perfusion); ``set(goals, now_ms, over_s)``,
                ``recover()``, ``eat(now_ms, grams)`` of carbohydrate, ``inject(now_ms, units)`` of insulin
`home`          ``Home(seed, zone)``, one resident's home; every device of it that is given the same seed sees the same
                day: ``at(now_ms)`` (room, doing, in bed, visitors), ``stays(from_ms, to_ms)``,
                ``movements(room, from_ms, to_ms)`` for motion, ``present(room, now_ms)`` for presence,
                ``openings(door, from_ms, to_ms)`` for contacts, ``in_bed(now_ms)`` and ``bed_changes(from_ms, to_ms)``,
                ``doses(from_ms, to_ms)`` for a medication box; ``next_opening(door, after_ms)``,
                ``next_movement(room, after_ms)``, ``next_change(now_ms)``; ``habits``; ``ROOMS``, ``DOORS``
`traffic`       ``Road(rng, zone)``: ``read(now_ms, period_s)`` (flow, occupancy, speed, counts by class; of the road
                and of each lane), ``incident(severity, where=)``, ``market(on)``
`bins`          ``Bin(rng, weather)``: ``read(now_ms)`` (fill, temperature, collected), ``collect(now_ms)``,
                ``burn(now_ms)``, ``put_out()``
`clicks`        ``KioskUse(rng, zone)``: ``read(now_ms, period_s)`` (clicks, searches); 8,000 a day over a district
`weather`       ``Weather(seed, zone)``: ``read(now_ms)`` (temperature, humidity, pressure, pm25, pm10, illuminance,
                wind_speed)
`air`           ``Room(tau_s=)``, a well-mixed room for gas in %LEL or CO in ppm: ``feed(now_ms, steady)``,
                ``air(now_ms, tau_s)``, ``at(now_ms)``
`fire`          ``Fire(began_ms, growth=)``: ``obscuration(now_ms)`` in dB/m, ``warming(now_ms)`` in K,
                ``put_out(now_ms)``
`battery`       ``Cell(chemistry)``: ``volts(used, celsius=, load_ma=)``, ``percent(volts)`` as firmware shows it
`radio`         ``Link(rng, technology)``: ``rssi(now_ms)``, ``lqi(rssi)``, ``snr(rssi)``, ``loss(rssi)``
==============  =======================================================================================================

The shapes of heart beats and pulse waves are in ``shapes.json``, made by ``python -m firmware_sim.signals.make`` with
NeuroKit2, which is needed for that and for the tests, not at run time.
"""
