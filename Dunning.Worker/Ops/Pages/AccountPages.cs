using System.Globalization;
using Dunning.Commands;
using Dunning.Documents;
using Dunning.Events;
using Dunning.Hosting;
using Dunning.Model;
using Dunning.Ops.Frame;
using Dunning.Postgres;
using Dunning.Rules;
using NodaTime;
using NodaTime.Text;

namespace Dunning.Ops.Pages;

/// <summary>One account: what it is, what it owes, what happens next and when, what has happened; and what an operator may do to it.</summary>
internal sealed class AccountPages(OpsFrame frame, OperatorDesk desk, Database database, WorkerSettings settings, TimeProvider time)
{
    private const int Events = 100;
    private const int Mails = 20;
    private const int Voidable = 12;
    private const string Path = "/ops/account/act";

    /// <summary>Acts that can't be taken back: asked for a second time.</summary>
    private static readonly string[] s_grave = [ActionNames.WriteOff, ActionNames.VoidInvoice, ActionNames.ResolveCharge, ActionNames.Credit];

    private static readonly string[] s_outcomes = ["succeeded", "failed", "never_made"];

    public void Map(IEndpointRouteBuilder app)
    {
        app.MapGet("/ops/account", ShowAsync).Needs(OpsRole.Viewer);
        app.MapGet("/ops/document", DocumentAsync).Needs(OpsRole.Viewer);
        app.MapPost(Path, ActAsync).Needs(OpsRole.Operator);
    }

    private Task ShowAsync(HttpContext http) => ShowAsync(http, http.Request.Query["id"].ToString());

    private async Task ShowAsync(HttpContext http, string id)
    {
        var (visit, ct) = (http.Ops(), http.RequestAborted);
        var w = visit.Words;
        if (id.Length == 0 || id.Contains('\0', StringComparison.Ordinal) || await AccountPage.ReadAsync(database, settings, id, time, ct, w.Code) is not { } page)
        {
            await MissingAsync(http);
            return;
        }
        var all = http.Request.Query["events"] == "all";
        var show = new Show(visit);
        var sentences = new OpsSentences(show, page);
        await frame.WriteAsync(http, new OpsPage
        {
            Title = page.File.Name.Length == 0 ? id : $"{id} · {page.File.Name}",
            Body = Html.Of(
                $"""
                <p class="soft">{w["account.zone", ("zone", page.Sheet.Account.TimeZone)]} {sentences.When(page.AsOf)}</p>
                {(page.HasOtherRules ? OpsFrame.Told(new OpsFlash(w["account.rules"], IsFault: true)) : Html.Empty)}{State(show, page, sentences)}{Next(show, page, sentences)}{Unpaid(visit, show, page, sentences)}{(visit.User.May(OpsRole.Operator) ? AccountActs(visit, show, page) : Html.Empty)}{Settled(visit, show, page, sentences)}{Things(show, page, sentences)}{MailsOf(show, page)}{History(show, page, sentences, all)}
                """),
        });
    }

    private static Html State(Show show, AccountPage page, OpsSentences sentences)
    {
        var (w, file) = (show.Words, page.File);
        var owed = file.Owed.Minor;
        return Html.Of(
            $"""
            <dl class="facts">
            <dt>{w["account.access"]}</dt><dd>{CasesPage.AccessOf(show, page.Sheet.Account.Access, file.Closed, file.PurgedAt is not null)}{(file.SuspendedOn is { } since ? Html.Of($" {w["account.since", ("date", OpsSentences.Day(since))]}") : Html.Empty)}{(file.AccessUntil is { } until ? Html.Of($" {w["account.until", ("date", sentences.When(until))]}") : Html.Empty)}</dd>
            <dt>{w["account.owed"]}</dt><dd>{(owed == 0 ? Html.Text(w["account.owed.nothing"]) : Html.Of($"<span class=\"bad\">{sentences.Amount(owed)}</span>"))}</dd>
            {(file is { PurgeOn: { } purge, PurgedAt: null } ? Html.Of($"<dt>{w["account.purge"]}</dt><dd>{OpsSentences.Day(purge)}</dd>") : Html.Empty)}<dt>{w["account.credit"]}</dt><dd>{sentences.Amount(file.Credit)}</dd>
            {(file.LegalHold || file.Exempt ? Html.Of($"<dt>{w["case.mark"]}</dt><dd>{(file.LegalHold ? Show.Badge("warn", w["mark.held"]) : Html.Empty)} {(file.Exempt ? Show.Badge("warn", w["mark.exempt"]) : Html.Empty)}</dd>") : Html.Empty)}<dt>{w["account.where"]}</dt><dd>{page.Sheet.Account.Country}, {page.Sheet.Account.Currency}, {page.Sheet.Account.Locale}</dd>
            </dl>

            """);
    }

    private static Html Next(Show show, AccountPage page, OpsSentences sentences)
    {
        var w = show.Words;
        return Html.Of($"{Show.Heading("next", w["account.next"])}{(page.Ahead.IsEmpty ? Show.Nothing(w[page.File.PurgedAt is not null ? "account.next.purged" : "account.next.none"]) : Show.Table(w["account.next"], [w["account.when"], w["account.what"]],
            page.Ahead.Select(p => Show.Row(Show.Short(Html.Text(p.At is not { } at ? w["account.waits"] : at <= page.AsOf ? w["case.next.now"] : sentences.When(at))), Show.Cell(p.Guard == GuardKinds.None ? Html.Text(sentences.Of(p)) : Html.Of($"{sentences.Of(p)} {GuardNotice.Link(w)}"))))))}");
    }

    private static Html Unpaid(OpsVisit visit, Show show, AccountPage page, OpsSentences sentences)
    {
        var (w, file) = (show.Words, page.File);
        return Html.Of($"{Show.Heading("invoices", w["account.unpaid"])}{(file.Invoices.All(i => i.State != InvoiceState.Open) ? Show.Nothing(w["account.unpaid.none"]) : Html.Each(file.Invoices.Where(i => i.State == InvoiceState.Open), One))}");

        Html One(Invoice invoice)
        {
            var number = page.RowOf(invoice) is { } row ? DocumentNumber.Of(row.Series, row.Year, row.Number) : "–";
            var charge = file.OpenChargeOf(invoice);
            return Html.Of(
                $"""
                <section class="card" aria-label="{number}">
                <h3>{number} · {sentences.Amount(invoice.AmountDue.Minor)} {(invoice.PausedUntil is { } paused ? Show.Badge("warn", w["invoice.paused", ("date", OpsSentences.Day(paused))]) : Html.Empty)} {(page.HeldSince(invoice) is null ? Html.Empty : Show.Badge("warn", w["guard.held"]))} {(invoice.Exempt ? Show.Badge("warn", w["mark.exempt"]) : Html.Empty)} {(invoice.Disputed ? Show.Badge("bad", w["mark.disputed"]) : Html.Empty)}</h3>
                <p>{w["invoice.for", ("subscription", invoice.SubscriptionId), ("from", OpsSentences.Day(invoice.PeriodStart)), ("to", OpsSentences.Day(invoice.PeriodEnd.PlusDays(-1)))]} · {Document(show, number, "invoice")}</p>
                <p>{(invoice.Case is not { } c ? w[page.WasRefused(invoice) ? "invoice.refused" : "invoice.nocase"] : c.Exhausted ? w["invoice.exhausted"] : w["invoice.case", ("step", show.Count(c.LastStep)), ("last", show.Count(c.Schedule.Steps.Length - 1)), ("on", OpsSentences.Day(c.LastStepOn)), ("opened", OpsSentences.Day(c.DayZero))])}
                {(page.LastFailure(invoice) is { } why ? w["invoice.failure", ("code", show.Words.Find("reason." + why) ?? show.Name("code", why))] : "")} {(page.HeldSince(invoice) is { } held ? Html.Of($"{w["invoice.held", ("since", sentences.When(held))]} {GuardNotice.Link(w)}") : Html.Text(Forecast.SuspendsOn(file, invoice) is { } on ? w["invoice.suspends", ("date", OpsSentences.Day(on))] : ""))}</p>
                {(charge is null ? Html.Empty : Html.Of($"<p class=\"bad\">{w[charge.Stuck ? "invoice.stuck" : "invoice.open", ("since", sentences.When(charge.FirstCalledAt)), ("method", page.Words.Method(charge.Method))]} {w["invoice.atgateway"]} <code>{charge.Key}</code>{(page.ReferenceOf(charge) is { } reference ? Html.Of($", <code>{reference}</code>") : Html.Empty)}</p>"))}{(visit.User.May(OpsRole.Operator) ? InvoiceActs(visit, show, page, invoice, number, charge) : Html.Empty)}
                </section>

                """);
        }
    }

    private static Html InvoiceActs(OpsVisit visit, Show show, AccountPage page, Invoice invoice, string number, Charge? charge)
    {
        var w = show.Words;
        return Html.Of(
            $"""
            <div class="acts">
            {(charge is { Stuck: true } ? Form(visit, page, ActionNames.ResolveCharge, number, typed => OpsForm.Choice("outcome", w["act.outcome"], s_outcomes.Select(o => (o, w["outcome.charge." + o])), typed?.Fields["outcome"])) : Html.Empty)}{(charge is null ? Form(visit, page, ActionNames.RetryCharge, number) : Html.Empty)}{Form(visit, page, ActionNames.Pause, number, Until(w, page))}{(invoice.PausedUntil is null ? Html.Empty : Form(visit, page, ActionNames.Unpause, number))}{Form(visit, page, invoice.Exempt ? ActionNames.Unexempt : ActionNames.Exempt, number)}{(charge is null ? Html.Of($"{Form(visit, page, ActionNames.WriteOff, number)}{Form(visit, page, ActionNames.VoidInvoice, number)}") : Html.Empty)}
            </div>
            """);
    }

    private static Html AccountActs(OpsVisit visit, Show show, AccountPage page)
    {
        var (w, file) = (show.Words, page.File);
        if (file.PurgedAt is not null)
        {
            return Html.Empty;
        }
        var unpaid = file.Invoices.Count(i => i.State == InvoiceState.Open);
        return Html.Of(
            $"""
            {Show.Heading("acts", w["account.acts"])}<div class="acts">
            {(unpaid > 1 ? Form(visit, page, ActionNames.Pause, null, Until(w, page)) : Html.Empty)}{Form(visit, page, file.Exempt ? ActionNames.Unexempt : ActionNames.Exempt, null)}{Form(visit, page, file.LegalHold ? ActionNames.ReleaseHold : ActionNames.Hold, null)}{(file.Access == Access.Active ? Html.Empty : Form(visit, page, ActionNames.GrantAccess, null, typed => OpsForm.Field("days", w["act.days"], typed?.Fields["days"] ?? "3", type: "number", limit: 4)))}{Form(visit, page, ActionNames.Credit, null, typed => OpsForm.Field("amount", w["act.amount", ("currency", file.Currency.Code)], typed?.Fields["amount"], limit: 20))}
            </div>

            """);
    }

    private static Func<OpsTyped?, Html> Until(OpsWords w, AccountPage page) => typed =>
        OpsForm.Field("until", w["act.until"], typed?.Fields["until"] ?? LocalDatePattern.Iso.Format(page.Words.DateOf(page.AsOf).PlusDays(7)), type: "date", limit: 10);

    // Of an invoice by its number, else of the account. One that could not be carried out is open, as it was filled in.
    private static Html Form(OpsVisit visit, AccountPage page, string act, string? number, Func<OpsTyped?, Html>? fields = null)
    {
        var (w, key) = (visit.Words, number is null ? "account." + act : act);
        var typed = visit.Typed?.If(Path, ("account", page.File.Id), ("act", act), ("number", number ?? ""));
        return Html.Of(
            $"""
            <details{(typed is null ? Html.Empty : Html.Of($" open"))}><summary>{w["act." + key]}</summary><p class="soft">{w["act." + key + ".note"]}</p>
            {OpsForm.Post(visit, Path, w["act." + key], Hidden(page.File.Id, act, number) + (fields?.Invoke(typed) ?? default), isGrave: s_grave.Contains(act, StringComparer.Ordinal), typed: typed)}</details>

            """);
    }

    private static Html Hidden(string account, string act, string? number) =>
        OpsForm.Hidden("account", account) + OpsForm.Hidden("act", act) + (number is null ? Html.Empty : OpsForm.Hidden("number", number));

    private static Html Settled(OpsVisit visit, Show show, AccountPage page, OpsSentences sentences)
    {
        var w = show.Words;
        var rows = page.Sheet.Invoices.Where(i => i.State != "open").OrderByDescending(i => i.IssuedAt).ToList();
        // What was paid lately can be given back here; what is older, by command.
        var voidable = visit.User.May(OpsRole.Operator) && page.File.PurgedAt is null ? rows.Where(i => i.State == "paid").Take(Voidable).ToHashSet() : [];
        return Html.Of($"{Show.Heading("settled", w["account.settled"])}{(rows.Count == 0 ? Show.Nothing(w["account.settled.none"]) : Show.Table(w["account.settled"], [w["invoice.number"], w["invoice.period"], "#" + w["invoice.amount"], w["case.state"], w["invoice.documents"]],
            rows.Select(i =>
            {
                var number = DocumentNumber.Of(i.Series, i.Year, i.Number);
                var note = page.Sheet.CreditNotes.FirstOrDefault(c => c.SubscriptionId == i.SubscriptionId && c.PeriodStart == i.PeriodStart);
                return Show.Row(Show.Head(Html.Text(number)), Show.Cell(Html.Of($"{i.SubscriptionId}, {Show.Day(i.PeriodStart)}")), Show.Figure(show.Amount(i.AmountDue, i.Currency)),
                    Show.Cell(Html.Of($"{Show.Badge(i.State == "paid" ? "good" : i.State == "written_off" ? "bad" : "", w["state." + i.State])}{Html.Each(page.RefundsOf(i), c => Html.Of($"<br>{sentences.Of(c)}"))}")),
                    Show.Cell(Html.Of($"{Document(show, number, "invoice")}{(i.State == "paid" ? Html.Of($", {Document(show, number, "receipt")}") : Html.Empty)}{(note is null ? Html.Empty : Html.Of($", {Document(show, DocumentNumber.Of(note.Series, note.Year, note.Number), "credit_note")}"))}{(voidable.Contains(i) ? Form(visit, page, ActionNames.VoidInvoice, number) : Html.Empty)}")));
            })))}");
    }

    private static Html Document(Show show, string number, string kind) => Html.Of(
        $"<a href=\"{OpsPath.Of("/ops/document", ("number", number), ("kind", kind))}\" aria-label=\"{show.Words["document." + kind]} {number}\">{show.Words["document." + kind]}</a>");

    private static Html Things(Show show, AccountPage page, OpsSentences sentences)
    {
        var (w, file) = (show.Words, page.File);
        return Html.Of(
            $"""
            {Show.Heading("subscriptions", w["account.subscriptions"])}{(page.Sheet.Subscriptions.Count == 0 ? Show.Nothing(w["account.none"]) : Show.Table(w["account.subscriptions"], [w["account.subscription"], w["account.plan"], "#" + w["account.quantity"], w["account.renews"], w["case.state"]],
                page.Sheet.Subscriptions.Select(s => Show.Row(Show.Head(Html.Text(s.Id)), Show.Cell(page.Words.Plan(s.PlanCode) + (s.PendingPlan is { } plan ? " → " + page.Words.Plan(plan) : "")), Show.Figure(show.Count(s.Quantity)),
                    Show.Short(Show.Day(s.RenewsOn)), Show.Cell(w["subscription." + (s.State != "live" ? s.State : s.CancelAtPeriodEnd ? "ending" : s.AutoRenew ? "live" : "expiring")])))))}
            {Show.Heading("methods", w["account.methods"])}{(file.Methods.IsEmpty ? Show.Nothing(w["account.none"]) : Show.Table(w["account.methods"], [w["account.method"], w["account.use"], w["account.expires"], w["case.state"]],
                file.Methods.Select(m => Show.Row(Show.Head(Html.Text(AccountWords.Method(m))), Show.Cell(w[m.IsDefault ? "method.default" : m.IsBackup ? "method.backup" : "method.unused"]),
                    Show.Cell(m.Expires is { } e ? AccountWords.Month(e) : "–"), Show.Cell(Show.Badge(m.State switch { MethodState.Ok => "good", MethodState.Blocked => "bad", MethodState.Waiting => "warn" }, w["method." + Texts.Method[m.State]]))))))}
            {Show.Heading("contacts", w["account.contacts"])}{(file.Contacts.All(c => c.Removed) ? Show.Nothing(w["account.none"]) : Show.Table(w["account.contacts"], [w["mail.address"], w["account.name"], w["account.role"], w["mail.state"]],
                file.Contacts.Where(c => !c.Removed).Select(c => Show.Row(Show.Head(Html.Text(c.Email)), Show.Cell(c.Name), Show.Cell(w["contact." + Texts.Role[c.Role]]),
                    Show.Cell(c.Bounce is { } bounce ? Html.Of($"{Show.Badge("bad", w["contact.bounces"])} {sentences.When(bounce.At)} {bounce.Reason}") : c.GetsMail ? Html.Text(w["frequency." + Texts.Frequency[c.Frequency]]) : Html.Text(w["contact.nomail"]))))))}

            """);
    }

    private static Html MailsOf(Show show, AccountPage page)
    {
        var w = show.Words;
        var mails = page.Sheet.Mails.OrderByDescending(m => m.DecidedAt).ThenByDescending(m => m.MailNumber).Take(Mails)
            .Select(m => new OutboxView(page.File.Id, m.MailNumber, m.Contact, m.Template, m.Email, m.State, m.Tries, m.DecidedAt, m.NextTryAt, m.SettledAt, m.Detail)).ToList();
        return Html.Of($"{Show.Heading("mails", w["nav.mails"])}{(mails.Count == 0 ? Show.Nothing(w["account.none"]) : Html.Of($"{MailsPage.Table(show, mails)}<p>{Show.Link(OpsPath.Of("/ops/mails", ("account", page.File.Id)), w["account.mails.all", ("n", show.Count(page.Sheet.Mails.Count))])}</p>\n"))}");
    }

    private static Html History(Show show, AccountPage page, OpsSentences sentences, bool all)
    {
        var w = show.Words;
        var events = page.Events.AsEnumerable().Reverse().Take(all ? int.MaxValue : Events).ToList();
        return Html.Of($"{Show.Heading("events", w["account.events"])}{(events.Count == 0 ? Show.Nothing(w["account.none"]) : Show.Table(w["account.events"], [w["account.when"], w["account.what"]],
            events.Select(e => Show.Row(Show.Short(Html.Text(sentences.When(e.At))), Show.Cell(sentences.Of(e))))))}{(events.Count == page.Events.Length ? Html.Empty : Html.Of($"<p>{Show.Link(OpsPath.Of("/ops/account", ("id", page.File.Id), ("events", "all")) + "#events", w["account.events.all", ("n", show.Count(page.Events.Length))])}</p>\n"))}");
    }

    private async Task DocumentAsync(HttpContext http)
    {
        var (visit, ct, query) = (http.Ops(), http.RequestAborted, http.Request.Query);
        DocumentKind? kind = query["kind"].ToString() switch { "receipt" => DocumentKind.Receipt, "credit_note" => DocumentKind.CreditNote, _ => DocumentKind.Invoice };
        var number = query["number"].ToString();
        var invoice = number.Contains('\0', StringComparison.Ordinal) ? null : await new PostgresInvoices(database.Source).ShowAsync(number, ct);
        var document = invoice is null ? null
            : await PostgresDocuments.Open(database.Source, settings.Documents.Look, time).FindAsync(number, kind, invoice.Invoice.Locale, ct);
        if (document is null)
        {
            await MissingAsync(http);
            return;
        }
        http.Response.ContentType = "application/pdf";
        http.Response.Headers.ContentDisposition = new Microsoft.Net.Http.Headers.ContentDispositionHeaderValue("inline") { FileNameStar = document.FileName }.ToString();
        await http.Response.Body.WriteAsync(document.Content, ct);
    }

    private async Task ActAsync(HttpContext http)
    {
        var (visit, ct) = (http.Ops(), http.RequestAborted);
        var (form, w) = (await http.Request.ReadFormAsync(ct), visit.Words);
        var (account, act, number) = (form["account"].ToString(), form["act"].ToString(), form["number"].ToString());
        var key = number.Length == 0 ? "account." + act : act;
        if (await OpsForm.MandateAsync(http) is not { } mandate)
        {
            await AgainAsync(w["form.noreason"]);
            return;
        }
        if (account.Contains('\0', StringComparison.Ordinal) || number.Contains('\0', StringComparison.Ordinal) || w.Find("act." + key + ".note") is null
            || await Filled(form, act, account, ct) is not var (fill, fault))
        {
            await AgainAsync(w["act.unknown"]);
            return;
        }
        if (fault is not null)
        {
            await AgainAsync(w[fault]);
            return;
        }
        var bare = number.Length == 0 ? new AccountAction(Instant.FromDateTimeOffset(time.GetUtcNow()), account, act) : await desk.OnInvoiceAsync(number, act, ct);
        if (bare is null || bare.Account != account)
        {
            await AgainAsync(w["act.noinvoice", ("number", number)]);
            return;
        }
        var action = fill(bare);
        if (s_grave.Contains(act, StringComparer.Ordinal) && form["confirmed"] != "yes")
        {
            if (await desk.PreviewAsync(mandate, action, ct) is not { } preview || await AccountPage.ReadAsync(database, settings, account, time, ct, w.Code) is not { } page)
            {
                await MissingAsync(http);
            }
            else if (preview.Acted.Cause is { } why)
            {
                await AgainAsync(w["act.impossible", ("act", w["act." + key]), ("cause", w["cause." + why])]);
            }
            else
            {
                await ConfirmAsync(http, page, action, number, mandate.Reason, preview);
            }
            return;
        }
        try
        {
            var acted = await desk.ActAsync(mandate, action, ct);
            if (acted.Cause is { } cause)
            {
                await AgainAsync(w["act.rejected", ("act", w["act." + key]), ("cause", w["cause." + cause])]);
                return;
            }
            await OpsFrame.BackAsync(http, OpsPath.Of("/ops/account", ("id", account)), new OpsFlash(w["act.done", ("act", w["act." + key])]));
        }
        catch (KeyNotFoundException)
        {
            await MissingAsync(http);
        }

        Task AgainAsync(string why)
        {
            visit.Typed = new OpsTyped(why, Path, form);
            return ShowAsync(http, account);
        }
    }

    // What an act needs beside who, why and what: a way to set it, and the key of what is wrong with what was typed. Null: no such act.
    private async Task<(Func<AccountAction, AccountAction> Fill, string? Fault)?> Filled(IFormCollection form, string act, string account, CancellationToken ct)
    {
        switch (act)
        {
            case ActionNames.RetryCharge or ActionNames.WriteOff or ActionNames.VoidInvoice when form["number"].ToString().Length > 0:
            case ActionNames.Unpause or ActionNames.Exempt or ActionNames.Unexempt or ActionNames.Hold or ActionNames.ReleaseHold:
                return (a => a, null);
            case ActionNames.Pause:
                return LocalDatePattern.Iso.Parse(form["until"].ToString()) is { Success: true } until ? (a => a with { Until = until.Value }, null) : (a => a, "act.until.wrong");
            case ActionNames.GrantAccess:
                return int.TryParse(form["days"], NumberStyles.None, CultureInfo.InvariantCulture, out var days) && days > 0 ? (a => a with { Days = days }, null) : (a => a, "act.days.wrong");
            case ActionNames.ResolveCharge when s_outcomes.Contains(form["outcome"].ToString(), StringComparer.Ordinal):
                var outcome = form["outcome"].ToString();
                return (a => a with { Outcome = outcome }, null);
            case ActionNames.Credit:
                var currency = (await new PostgresFiles(database.Source).FileAsync(account, ct))?.Currency;
                return currency is { } of && Minor(form["amount"].ToString(), of.Digits) is { } amount ? (a => a with { Amount = amount }, null) : (a => a, "act.amount.wrong");
            default:
                return null;
        }
    }

    /// <summary>An amount as people type it, <c>12.50</c> or <c>12,5</c>, in minor units; null: it is none, or finer than the currency.</summary>
    internal static long? Minor(string text, int digits)
    {
        var parts = text.Trim().Replace(',', '.').Split('.');
        var fraction = parts.Length == 2 ? parts[1] : "";
        return parts.Length <= 2 && parts[0].Length is > 0 and <= 12 && fraction.Length <= digits && (parts[0] + fraction).All(char.IsAsciiDigit)
            && long.Parse(parts[0] + fraction.PadRight(digits, '0'), CultureInfo.InvariantCulture) is > 0 and var minor ? minor : null;
    }

    private async Task ConfirmAsync(HttpContext http, AccountPage page, AccountAction action, string number, string reason, ActPreview preview)
    {
        var visit = http.Ops();
        var w = visit.Words;
        var (show, file, key) = (new Show(visit), page.File, number.Length == 0 ? "account." + action.Do : action.Do);
        var (sentences, title) = (new OpsSentences(show, page), w["act." + key]);
        var amount = action.Amount ?? page.Sheet.Invoices.Where(i => DocumentNumber.Of(i.Series, i.Year, i.Number) == number).Select(i => (long?)i.AmountDue).FirstOrDefault();
        // The amount as it was read, so that a comma which was meant otherwise is seen, and is what is done.
        var typed = action.Amount is null ? Html.Empty : OpsForm.Hidden("amount", http.Request.Form["amount"].ToString());
        await frame.WriteAsync(http, new OpsPage
        {
            Title = w["confirm.title", ("act", title)],
            Body = Html.Of(
                $"""
                <p class="told warning">{w[number.Length == 0 ? "confirm.warning.account" : "confirm.warning"]}</p>
                <dl class="facts">
                <dt>{w["account.name"]}</dt><dd>{file.Name}</dd>
                <dt>{w["account.id"]}</dt><dd>{file.Id}</dd>
                {(number.Length == 0 ? Html.Empty : Html.Of($"<dt>{w["invoice.number"]}</dt><dd>{number}</dd>"))}{(amount is null ? Html.Empty : Html.Of($"<dt>{w["invoice.amount"]}</dt><dd>{sentences.Amount(amount)}</dd>"))}{(action.Outcome is null ? Html.Empty : Html.Of($"<dt>{w["act.outcome"]}</dt><dd>{w["outcome.charge." + action.Outcome]}</dd>"))}<dt>{w["audit.reason"]}</dt><dd>{reason}</dd>
                </dl>
                {Show.Heading("follows", w["confirm.follows"])}<ul>
                <li>{w["act." + key + ".note"]}</li>
                {Html.Each(Consequences(show, page, sentences, preview), c => Html.Of($"<li>{c}</li>\n"))}</ul>
                {OpsForm.Post(visit, Path, w["confirm.button", ("act", title)], Hidden(file.Id, action.Do, number.Length == 0 ? null : number) + OpsForm.Hidden("confirmed", "yes") + OpsForm.Hidden("outcome", action.Outcome ?? "") + typed + OpsForm.Hidden(OpsForm.Reason, reason), asksReason: false, isGrave: true)}<p>{Show.Link(OpsPath.Of("/ops/account", ("id", file.Id)), w["confirm.back"])}</p>
                """),
        });
    }

    // As the rules would decide it now, what goes back to whom included, and what the next passes then do because of it.
    private static IEnumerable<string> Consequences(Show show, AccountPage page, OpsSentences sentences, ActPreview preview)
    {
        var (w, before, after) = (show.Words, preview.Acted.Decision.Before, preview.Acted.Decision.After);
        foreach (var e in preview.Acted.Decision.Events.Where(e => e.Type != EventTypes.OperatorActed))
        {
            yield return sentences.Of(e);
        }
        foreach (var charge in after.Charges.Where(c => c.RefundDue && !before.Charges.Any(b => b.Key == c.Key && b.RefundDue)))
        {
            yield return w["confirm.refund", ("amount", sentences.Amount(charge.Amount.Minor - charge.Refunded)), ("method", page.Words.Method(charge.Method))];
        }
        if (after.Credit != before.Credit)
        {
            yield return w["confirm.credit", ("before", sentences.Amount(before.Credit)), ("after", sentences.Amount(after.Credit))];
        }
        foreach (var mail in after.Mails.Where(m => before.Mails.All(b => b.Number != m.Number)))
        {
            yield return w["confirm.mail", ("mail", show.Name("template", mail.Template)), ("to", string.Join(", ", mail.Recipients.Select(r => r.Email).Order(StringComparer.Ordinal)))];
        }
        foreach (var prospect in preview.Ahead.Where(p => p.Kind is ProspectKind.CreditPayment))
        {
            yield return sentences.Of(prospect);
        }
    }

    private async Task MissingAsync(HttpContext http)
    {
        var w = http.Ops().Words;
        await frame.WriteAsync(http, new OpsPage { Title = w["missing.title"], Body = Html.Of($"<p>{w["missing.text"]}</p>"), Status = StatusCodes.Status404NotFound });
    }
}
