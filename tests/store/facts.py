"""A row of each table of facts."""

from levity_trio.store.writes.chargers.sessions import count_repairs
from tests.store.books import Books, Station

NOT_ENDED = "('CP-1', 'generated', '', '', '', 'anna', NULL, NULL)"
PLAN = "cp_id, conn_id, command_id, created_at"


def add_facts(books: Books, station: Station) -> None:
    """Books with a row in each table of facts, including an open run, session and review."""
    station.boot()
    station.status("Charging")
    transaction = station.start()
    station.orphan(transaction, 4000)
    station.stop(7, "many")
    station.write(count_repairs, [("a text", "12")])
    add = books.connection.execute
    add(
        "INSERT INTO configuration (cp_id, session_id, key, readonly, read_at) "
        "VALUES ('CP-1', 1, 'Key', 0, '')"
    )
    add(
        "INSERT INTO connector_data (cp_id, conn_id, said_at, said_by) "
        "VALUES ('CP-1', 1, '', 'anna')"
    )
    add("INSERT INTO log (cp_id, at, direction, frame) VALUES ('CP-1', '', 'recv', '[]')")
    add(
        "INSERT INTO command (cp_id, action, payload, state, requested_at) "
        "VALUES ('CP-1', 'Reset', '{}', 'sent', '')"
    )
    of_tokens = (
        "INSERT INTO token (name, role, salt, digest, created_at, created_by, revoked_at) VALUES"
    )
    add(
        f"{of_tokens} ('a', 'viewer', '', '', '', '', '2025'), ('a', 'viewer', '', '', '', '', "
        "NULL)"
    )
    of_actions = "INSERT INTO operator_action (at, request, address, method, path, status) VALUES"
    add(f"{of_actions} ('', 'q', '', 'POST', '/', 200), ('', 'r', '', 'POST', '/', NULL)")
    add(
        f"INSERT INTO reservation ({PLAN}, reservation_id, id_tag, expires_at) "
        "VALUES ('CP-1', 1, 1, '', 1, 'T', '')"
    )
    profile = "profile_id, purpose, stack_level, profile"
    add(
        f"INSERT INTO charging_profile ({PLAN}, {profile}) "
        "VALUES ('CP-1', 1, 1, '', 1, 'TxProfile', 0, '{}')"
    )
    reading = "asked_by, began_at, ended_at, keys, unknown_keys, unanswered, commands"
    add(
        f"INSERT INTO configuration_reading (cp_id, {reading}) "
        "VALUES ('CP-1', 'anna', '', '', 1, 0, '[]', '[1]')"
    )
    of_template = (
        "INSERT INTO configuration_template (name, entries, created_at, created_by, ended_at) "
        "VALUES"
    )
    add(f"{of_template} ('a', '{{}}', '', 'anna', '2025'), ('a', '{{}}', '', 'anna', NULL)")
    of_tags = "INSERT INTO tag (key, id_tag, status, created_at, created_by, ended_at) VALUES"
    add(f"{of_tags} ('a', 'A', 'Accepted', '', '', '2025'), ('a', 'A', 'Accepted', '', '', NULL)")
    add("INSERT INTO local_list (cp_id, version, command_id, created_at) VALUES ('CP-1', 1, 1, '')")
    of_webhooks = "INSERT INTO webhook (name, url, secret, created_at, created_by, position) VALUES"
    add(
        f"{of_webhooks} ('a', 'http://a', 'sealed:', '', '', 1), ('b', 'http://b', 'sealed:', '', "
        "'', 1)"
    )
    add("UPDATE webhook SET removed_at = '2025' WHERE id = 1")
    of_given_up = "webhook_id, at, failing_since, first_event, last_event, facts, problem"
    add(f"INSERT INTO webhook_given_up ({of_given_up}) VALUES (1, '', '', 1, 1, 1, '')")
    add(
        "INSERT INTO backend (name, url, is_repaired, tells_authorize, with_cards, begins_at, "
        "added_at, added_by, removed_at) VALUES ('a', 'ws://a', 0, 0, 0, '', '', '', '2025'), "
        "('b', 'ws://b', 0, 0, 0, '', '', '', NULL)"
    )
    add(
        "INSERT INTO backend_tx (backend_id, tx_id, their_id, started_at) "
        f"VALUES (1, {transaction}, 7, '')"
    )
    add(
        "INSERT INTO backend_refused (backend_id, cp_id, at, kind, action, payload, answer) "
        "VALUES (1, 'CP-1', '', 'late', '', '{}', '')"
    )
    add(
        "INSERT INTO meter_key (cp_id, conn_id, key, fingerprint, added_at, added_by, ended_at, "
        "ended_by) VALUES ('CP-1', 1, '04', 'a', '', '', '2025', 'anna'), "
        "('CP-1', 1, '04', 'a', '', '', NULL, NULL)"
    )
    add(
        "INSERT INTO series (name, currency, prices, changed_at, changed_by) "
        "VALUES ('Market', 'EUR', 'net', '', '')"
    )
    add("INSERT INTO series_batch (series_id, at, by, reason) VALUES (1, '', '', 'a slip')")
    add("INSERT INTO series_value (series_id, quarter, batch_id, price) VALUES (1, 7, 1, '0.1')")
    add(
        "INSERT INTO moved_reading (reading_id, tx_id) "
        f"SELECT min(id), {transaction} FROM meter_val"
    )
    of_files = (
        "INSERT INTO file (kind, name, title, size_bytes, sha256, created_at, deleted_at) VALUES"
    )
    add(
        f"{of_files} ('firmware', 'a', 't', 1, '', '', '2025'), ('firmware', 'b', 'u', 1, '', '', "
        "NULL)"
    )
    add(
        "INSERT INTO evidence_pruning (day, before, others_before, deleted) "
        "VALUES ('2024-01-01', '', '', 0)"
    )
    add(
        "INSERT INTO serial_change (cp_id, at, earlier, serial, is_other, answered_at) "
        "VALUES ('CP-1', '1', 'A', 'B', 1, '2025'), ('CP-1', '2', 'B', 'C', NULL, NULL)"
    )
    add("INSERT INTO meter_pair (cp_id, other_cp_id, at, is_shown) VALUES ('CP-1', 'CP-1', '1', 0)")
    of_registration = "cp_id, decision, decided_at, decided_by, reason"
    add(f"INSERT INTO registration ({of_registration}) VALUES ('CP-1', 'adopted', '', 'anna', '')")
    add("INSERT INTO file_url (command_id, digest) VALUES (1, '')")
    of_passwords = (
        "INSERT INTO credential (cp_id, kind, salt, digest, created_at, created_by, ended_at, "
        "end_reason)"
    )
    add(f"{of_passwords} VALUES ('CP-1', 'given', '', '', '', 'anna', '2025', 'x'), {NOT_ENDED}")
    of_certificates = (
        "cp_id, serial, subject, pem, not_before, not_after, issued_at, issued_by, fingerprint, "
        "revoked_at"
    )
    issued = "'CP-1', '1', '', '', '', '', '', 'anna'"
    add(
        f"INSERT INTO certificate ({of_certificates}) "
        f"VALUES ({issued}, 'a', '2025'), ({issued}, 'b', NULL)"
    )
    of_requests = (
        "INSERT INTO certificate_request (cp_id, session_id, received_at, csr, ended_at, result) "
        "VALUES"
    )
    add(f"{of_requests} ('CP-1', 1, '', '', '2025', 'installed'), ('CP-1', 1, '', '', NULL, NULL)")
    of_tasks = (
        "INSERT INTO household_task (kind, done_at, done_by, steps, results, undone_at) VALUES"
    )
    add(
        f"{of_tasks} ('entered', '', 'anna', '[]', '[]', '2025'), ('entered', '', 'anna', '[]', "
        "'[]', NULL)"
    )
    of_names = (
        "INSERT INTO certificate_name (cp_id, name, request_id, allowed_at, allowed_by, reason) "
        "VALUES"
    )
    add(f"{of_names} ('CP-1', 'a', 1, '', 'anna', '')")
    of_plans = (
        "INSERT INTO securing (cp_id, profile, steps, asked_at, asked_by, ended_at, result) VALUES"
    )
    add(
        f"{of_plans} ('CP-1', 1, '[]', '', '', '2025', 'done'), ('CP-1', 1, '[]', '', '', NULL, "
        "NULL)"
    )
    add(
        "INSERT INTO account (name, since, created_at, created_by, updated_at) "
        "VALUES ('a', '', '', '', '')"
    )
    of_account = (
        "INSERT INTO ownership (account_id, what, key, conn_id, id_tag, since, given_at, "
        "given_by, voided_at)"
    )
    for key, voided in (("'b'", "NULL"), ("'a'", "'2025'"), ("'a'", "NULL")):
        add(f"{of_account} VALUES (1, 'tag', {key}, 0, 'A', '', '', '', {voided})")
    add("INSERT INTO tariff (name, currency, prices) VALUES ('Flat', 'EUR', 'gross')")
    of_version = "tariff_id, since, toml, digest, added_at, added_by, withdrawn_at"
    for withdrawn in ("'2025'", "NULL"):
        add(
            f"INSERT INTO tariff_version ({of_version}) "
            f"VALUES (1, '2026-01-01', '', '', '', 'anna', {withdrawn})"
        )
    of_assignment = "scope, key, since, tariff_id, assigned_at, assigned_by"
    add(
        f"INSERT INTO tariff_assignment ({of_assignment}) "
        "VALUES ('site', '', '2026-01-01', 1, '', 'anna')"
    )
    add(
        "INSERT INTO meter (name, class_percent, chargers_percent, since, created_at, created_by, "
        "updated_at) "
        "VALUES ('m', 1, 2, '', '', '', '')"
    )
    of_readings = (
        "meter_id, at, value, unit, wh, source, entered_at, entered_by, voided_at, voided_by, "
        "void_reason"
    )
    read = "1, '', '1', 'Wh', 1, 'hand', '', ''"
    add(
        f"INSERT INTO meter_reading ({of_readings}) "
        f"VALUES ({read}, '', '', ''), ({read}, NULL, NULL, NULL)"
    )
    add(
        "INSERT INTO securing_step (securing_id, step, command_id, at) "
        "VALUES (1, 'password', 1, '')"
    )
    closed_statement(books)
    of_terms = "account_id, kind, limit_amount, since, set_by, reason"
    add(f"INSERT INTO wallet_terms ({of_terms}) VALUES (1, 'prepaid', 0, '', '', '')")
    of_lines = "digest, ledger_id, payer, decided_at, decided_by, reference"
    add(f"INSERT INTO bank_line ({of_lines}) VALUES ('d', 1, 'p', '', 'anna', 'r')")
    add("INSERT INTO vehicle (name, created_at, created_by, updated_at) VALUES ('Car', '', '', '')")
    of_prices = "account_id, vehicle_id, month, way, currency, chosen_at, chosen_by"
    add(f"INSERT INTO car_price ({of_prices}) VALUES (1, 1, '2026-10', 'bill', 'EUR', '', 'anna')")
    of_limits = "what, key, id_tag, is_everywhere, since, set_by"
    add(f"INSERT INTO usage_limit ({of_limits}) VALUES ('tag', 'a', 'A', 0, '', '')")
    add("INSERT INTO load_site (toml, set_at, set_by) VALUES ('', '', 'anna')")
    add(
        "INSERT INTO sun_quarter (quarter, site_id, seconds, import_wh, export_wh, generation_wh) "
        "VALUES (7, 1, 900, 0, 0, 100)"
    )
    add("INSERT INTO load_forgotten (circuit, quarter, at, by) VALUES ('Feeder', 1, '', 'anna')")
    of_wishes = (
        "INSERT INTO load_wish (kind, cp_id, conn_id, amperes, reason, made_at, made_by, "
        "ended_at) "
        "VALUES"
    )
    add(
        f"{of_wishes} ('hand', 'CP-1', 1, 6, '', '', '', '2025'), ('hand', 'CP-1', 1, 6, '', '', "
        "'', NULL)"
    )
    of_price = "INSERT INTO price_wish (tx_id, most_price, charges_at, made_at, made_by, ended_at)"
    for ended_at in ("'2025'", "NULL"):
        add(f"{of_price} SELECT min(id), '0.2', '', '', 'anna', {ended_at} FROM tx")
    add(
        "INSERT INTO load_order (source, amperes, at, last_at, count) "
        "VALUES ('grid', 20, '', '', 1)"
    )
    of_spans = "INSERT INTO load_span (tx_id, why, since, until) SELECT min(id), 'waited', '',"
    add(f"{of_spans} '' FROM tx")
    add(f"{of_spans} NULL FROM tx")
    of_deletion = "account_id, keep_years, reason, deleted_at, deleted_by"
    add(f"INSERT INTO personal_deletion ({of_deletion}) VALUES (1, 10, '', '', 'anna')")
    add("INSERT INTO lost_statements (first, last, restored_at) VALUES (2, 3, '')")
    of_reports = (
        "INSERT INTO report (account_id, about, words, written_at, written_by, answer, "
        "answered_at) "
        "VALUES"
    )
    add(
        f"{of_reports} (1, 'charger', 'a', '', 'ben', 'b', '2026'), (1, 'charger', 'a', '', "
        "'ben', NULL, NULL)"
    )
    of_users = (
        'INSERT INTO "user" (name, role, salt, digest, added_at, added_by, removed_at) VALUES'
    )
    add(
        f"{of_users} ('a', 'viewer', NULL, NULL, '', '', '2025'), ('a', 'viewer', '', '', '', '', "
        "NULL)"
    )
    of_logins = (
        "INSERT INTO login (digest, user_id, address, browser, made_at, last_used_at, ended_at) "
        "VALUES"
    )
    add(f"{of_logins} ('a', 1, '', '', '', '', '2025'), ('b', 2, '', '', '', '', NULL)")
    of_recipients = (
        "INSERT INTO recipient (who, kinds, away_minutes, with_names, gets_statements, added_at, "
        "added_by,"
    )
    add(f"{of_recipients} ended_at) VALUES ('owner', '[]', 1, 0, 0, '', '', '2025')")
    add(f"{of_recipients} ended_at) VALUES ('owner', '[]', 1, 0, 0, '', '', NULL)")
    of_causes = "INSERT INTO cause (kind, subject, parts, began_at, found_at, ended_at) VALUES"
    add(f"{of_causes} ('away', '', '{{}}', '', '', '2025'), ('away', '', '{{}}', '', '', NULL)")
    of_messages = (
        "INSERT INTO message (message_id, recipient_id, channel, part, kind, created_at, "
        "not_before, next_at,"
    )
    add(f"{of_messages} sent_at) VALUES ('a', 1, 'mail', 'note', 'full', '', '', '', '2025')")
    add(f"{of_messages} sent_at) VALUES ('b', 1, 'mail', 'note', 'full', '', '', '', NULL)")


def closed_statement(books: Books) -> None:
    """A statement of account 1 with one position, closed."""
    add = books.connection.execute
    add("INSERT INTO biller (name, payment_days, set_at, set_by) VALUES ('a', 14, '', '')")
    of_closing = "month, terms, statements, previous_digest, digest, closed_at, closed_by"
    add(f"INSERT INTO closing ({of_closing}) VALUES ('2026-10', '{{}}', 1, '', 'd', '', '')")
    of_statement = (
        "account_id, month, zone, currency, prices, taxes, charged, carried_in, total, is_carried"
    )
    add(
        f"INSERT INTO statement ({of_statement}, content)"
        " VALUES (1, '2026-10', 'UTC', 'EUR', 'gross', '[]', 0, 0, 0, 0, '')"
    )
    of_position = "statement_id, account_id, kind, month, energy_wh, is_prepaid, lines, amount"
    add(f"INSERT INTO position ({of_position}) VALUES (1, 1, 'base fee', '2026-10', 0, 0, '[]', 0)")
    add(
        "UPDATE statement "
        "SET closing_id = 1, number = 1, printed_number = '1', party_digest = '', "
        "previous_digest = '', digest = 'd'"
    )
    add("INSERT INTO statement_party (statement_id, party, sheet) VALUES (1, '{}', '{}')")
    add(
        "INSERT INTO supplement (account_id, month, biller_id, made_at, made_by, party_digest, "
        "previous_digest, digest, party, sheet) "
        "VALUES (1, '2026-10', 1, '', '', '', '', 's', '{}', '{}')"
    )
    of_ledger = "account_id, kind, amount, currency, reason, entered_at, entered_by"
    add(f"INSERT INTO ledger ({of_ledger}) VALUES (1, 'payment', 1, 'EUR', '', '', '')")
    add("INSERT INTO settled (ledger_id, statement_id, amount) VALUES (1, 1, 1)")
