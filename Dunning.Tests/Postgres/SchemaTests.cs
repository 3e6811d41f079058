using Dunning.Model;
using Dunning.Passes;
using Dunning.Postgres;
using Dunning.Ports;
using Npgsql;
using Xunit;

namespace Dunning.Tests.Postgres;

/// <summary>Each invariant is refused by the database itself.</summary>
public sealed class SchemaTests : IAsyncLifetime
{
    private const string Document =
        "insert into dunning.document select 'invoice:F-2026-000001', 'fr', 'invoice', account_id, subscription_id, period_start, 'pdf'::bytea, sha256('pdf'::bytea), issued_at from dunning.invoice where number = 1";

    private const string EInvoice =
        "insert into dunning.einvoice select series, year, number, 'invoice', subscription_id, period_start, 'pending', 0, issued_at from dunning.invoice where number = 1";

    private const string CardSession = "insert into dunning.card_session (id, account_id, contact, state, started_at, next_look_at) values ('v', 'a', 1, 'open', now(), now())";

    private const string CardHold = "insert into dunning.card_hold (session_id, account_id, currency, asked_at, state, void_at) values ('v', 'a', 'EUR', now(), 'held', now())";

    private Rig _rig = null!;

    public async Task InitializeAsync()
    {
        _rig = await Rig.NewAsync();
        await _rig.ImportAsync((Samples.Account("a"), Samples.DueToRenew(Rig.Now)), (Samples.Account("b"), Samples.DueToRenew(Rig.Now)));
        await _rig.Book.ClaimAsync(PassKind.Renew, Rig.Now, 1, f => Samples.Renew(f, Rig.Now), default);
        await _rig.Book.ClaimAsync(PassKind.Renew, Rig.Now, 1, f => Samples.Renew(f, Rig.Now), default);
        await _rig.Book.AnswerAsync([new AnswerFor("b", null, f => Samples.Paid(f, Rig.Now))], default);
    }

    public async Task DisposeAsync() => await _rig.DisposeAsync();

    public static TheoryData<string, string> Refused { get; } = new()
    {
        { "account_credit_check", "update dunning.account set credit = -1" },
        { "account_access_check", "update dunning.account set access = 'gone'" },
        { "account_access_consistent", "update dunning.account set access = 'suspended'" },
        { "account_access_consistent", "update dunning.account set purge_on = '2026-01-01'" },
        { "account_access_consistent", "update dunning.account set access_until = '2026-01-01'" },
        { "account_access_consistent", "update dunning.account set access = 'limited', suspended_on = '2026-01-01', suspended_at = '2026-01-01', purge_on = '2026-04-01'" },
        { "account_erased_after_purge", "update dunning.account set erased_at = '2026-01-01'" },
        { "account_id_check", "update dunning.account set id = repeat('x', 201)" },
        { "contact_in_use_has_address", "update dunning.contact set email = null" },
        { "contact_address_once", "update dunning.contact set email = 'same'" },
        { "contact_account_id_fkey", "update dunning.contact set account_id = 'nobody' where account_id = 'a'" },
        { "payment_method_one_default", "insert into dunning.payment_method select account_id, 'other', 0, 't', null, true, false, null, null, 'ok', false, known_at, false, false from dunning.payment_method" },
        { "payment_method_one_generation", "insert into dunning.payment_method select account_id, id, 1, 't', null, false, false, null, null, 'ok', false, known_at, false, false from dunning.payment_method" },
        { "method_in_use_has_token", "update dunning.payment_method set token = null" },
        { "payment_method_expires_check", "update dunning.payment_method set expires = '2026-01-02'" },
        { "subscription_pkey", "insert into dunning.subscription select id, 'b', plan_code, interval_unit, interval_count, quantity, anchor, renews_on, renews_on_known_at, auto_renew, cancel_at_period_end, state from dunning.subscription where account_id = 'a'" },
        { "subscription_quantity_check", "update dunning.subscription set quantity = 0" },
        { "invoice_pkey", "insert into dunning.invoice select subscription_id, period_start, period_end, account_id, series, year, number + 10, issued_at, issued_on, plan_code, plan_version, quantity, currency, unit_price, subtotal, tax_treatment, tax_rate_bp, tax, credit_applied, amount_due, seller, buyer from dunning.invoice" },
        { "invoice_series_year_number_key", "insert into dunning.invoice select subscription_id, period_start + 1, period_end, account_id, series, year, number, issued_at, issued_on, plan_code, plan_version, quantity, currency, unit_price, subtotal, tax_treatment, tax_rate_bp, tax, credit_applied, amount_due, seller, buyer from dunning.invoice" },
        { "invoice_adds_up", "insert into dunning.invoice select subscription_id, period_start + 1, period_end, account_id, series, year, number + 10, issued_at, issued_on, plan_code, plan_version, quantity, currency, unit_price, subtotal, tax_treatment, tax_rate_bp, tax, credit_applied, amount_due + 1, seller, buyer from dunning.invoice" },
        { "invoice_untaxed", "insert into dunning.invoice select subscription_id, period_start + 1, period_end, account_id, series, year, number + 10, issued_at, issued_on, plan_code, plan_version, quantity, currency, unit_price, subtotal, 'export', tax_rate_bp, tax, credit_applied, amount_due, seller, buyer from dunning.invoice" },
        { "append-only", "update dunning.invoice set number = number" },
        { "append-only", "delete from dunning.invoice" },
        { "receivable_settled", "update dunning.receivable set state = 'open', settled_at = '2026-01-01'" },
        { "receivable_settled", "update dunning.receivable set state = 'paid', settled_at = null" },
        { "receivable_case_whole", "update dunning.receivable set case_day_zero = '2026-01-01'" },
        { "receivable_case_whole", "update dunning.receivable set case_warned_on = '2026-01-01'" },
        { "credit_note_subscription_id_period_start_fkey", "insert into dunning.credit_note values ('A', 2026, 1, 'a', 'nothing', '2026-01-01', '2026-01-01', '2026-01-01', 's')" },
        { "charge_pkey", "insert into dunning.charge select * from dunning.charge" },
        { "charge_one_open", "insert into dunning.charge select key || 'x', account_id, subscription_id, period_start, attempt, kind, method_id, method_generation, amount, currency, 'unknown', first_called_at, last_called_at, null, false, false, null, false from dunning.charge" },
        { "charge_amount_check", "update dunning.charge set amount = 0" },
        { "charge_code", "update dunning.charge set code = 'lost_card'" },
        { "outbox_mail_key_key", "insert into dunning.outbox select account_id, 99, contact, mail_key, template, decided_at, facts, email, name, locale, state, tries, null, null from dunning.outbox" },
        { "outbox_settled", "update dunning.outbox set state = 'accepted'" },
        { "outbox_settled", "update dunning.outbox set state = 'digested'" },
        { "outbox_pending_has_address", "update dunning.outbox set state = 'held', email = null" },
        { "outbox_held_has_no_try", "update dunning.outbox set state = 'held', tries = 1" },
        { "contact_frequency_check", "update dunning.contact set frequency = 'hourly'" },
        { "outbox_pending_has_address", "update dunning.outbox set email = null" },
        { "due_pass_check", "update dunning.due set pass = 'all'" },
        { "event_pkey", "insert into dunning.event select * from dunning.event" },
        { "append-only", "update dunning.event set at = at" },
        { "append-only", "delete from dunning.event" },
        { "append-only", "truncate dunning.event" },
        { "document_pkey", $"{Document}; {Document}" },
        { "document_hash", Document.Replace("sha256('pdf'::bytea)", "sha256('other'::bytea)") },
        { "document_kind_check", Document.Replace("'invoice'", "'reminder'") },
        { "document_subscription_id_period_start_fkey", Document.Replace("subscription_id, period_start, 'pdf'", "'nothing', period_start, 'pdf'") },
        { "append-only", $"{Document}; update dunning.document set language = 'en'" },
        { "append-only", "delete from dunning.document" },
        { "append-only", "truncate dunning.document" },
        { "einvoice_pkey", $"{EInvoice}; {EInvoice}" },
        { "einvoice_settled", EInvoice.Replace("'pending'", "'handed_in'") },
        { "einvoice_settled", $"{EInvoice}; update dunning.einvoice set settled_at = '2026-01-01'" },
        { "einvoice_fault_told", $"{EInvoice}; update dunning.einvoice set state = 'inexpressible', settled_at = '2026-01-01', next_try_at = null" },
        { "einvoice_state_check", $"{EInvoice}; update dunning.einvoice set state = 'lost', settled_at = '2026-01-01', next_try_at = null" },
        { "link_key_secret_check", "insert into dunning.link_key values (1, '\\x00', now())" },
        { "link_revocation_account_id_fkey", "insert into dunning.link_revocation values ('nobody', now())" },
        { "card_session_pkey", $"{CardSession}; {CardSession}" },
        { "card_session_account_id_fkey", CardSession.Replace("'a'", "'nobody'") },
        { "card_session_state_check", CardSession.Replace("'open'", "'lost'") },
        { "card_session_settled", $"{CardSession}; update dunning.card_session set state = 'done'" },
        { "card_session_code", $"{CardSession}; update dunning.card_session set code = 'lost_card'" },
        { "card_session_method", $"{CardSession}; update dunning.card_session set method_id = 'card'" },
        { "card_hold_session_id_fkey", CardHold },
        { "card_hold_pkey", $"{CardSession}; {CardHold}; {CardHold}" },
        { "card_hold_settled", $"{CardSession}; {CardHold}; update dunning.card_hold set state = 'voided'" },
        { "card_hold_state_check", $"{CardSession}; {CardHold}; update dunning.card_hold set state = 'lost', settled_at = now(), void_at = null" },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public async Task An_invariant_is_kept_by_the_database(string by, string sql)
    {
        var e = await Assert.ThrowsAsync<PostgresException>(() => _rig.ExecuteAsync(sql));
        Assert.True(e.ConstraintName == by || e.MessageText.Contains(by, StringComparison.Ordinal), $"expected {by}, but it was {e.ConstraintName} {e.MessageText}");
    }

    /// <summary>These texts are in every database there is: a name may be added, never changed.</summary>
    [Fact]
    public void Stored_texts_are_frozen()
    {
        Assert.Equal("active suspended limited", All(Texts.Access));
        Assert.Equal("owner billing admin", All(Texts.Role));
        Assert.Equal("ok blocked waiting", All(Texts.Method));
        Assert.Equal("live canceled expired", All(Texts.Subscription));
        Assert.Equal("day week month year", All(Texts.Unit));
        Assert.Equal("open paid voided written_off", All(Texts.Invoice));
        Assert.Equal("domestic eu_consumer reverse_charge export", All(Texts.Tax));
        Assert.Equal("first step recharge", All(Texts.Attempt));
        Assert.Equal("in_flight unknown pending succeeded failed abandoned refused reversed", All(Texts.Charge));
        Assert.Equal("none never_made failed", All(Texts.Resolution));
        Assert.Equal("pending accepted dead dropped held digested", All(Texts.Delivery));
        Assert.Equal("at_once daily weekly", All(Texts.Frequency));
        Assert.Equal("reconcile renew dun end_access purge remind mail", All(Texts.Pass));

        static string All<T>(TextOf<T> texts)
            where T : struct, Enum
        {
            // Every value of the enum has a text; "all passes" is none of its own.
            Assert.Equal(Enum.GetValues<T>().Where(v => !Equals(v, PassKind.All)), texts.Values);
            return string.Join(' ', texts.Values.Select(v => texts[v]));
        }
    }
}
