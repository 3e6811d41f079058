using System.Collections.Immutable;
using System.Globalization;
using Dunning.Hosting;
using Dunning.Mail;
using Dunning.Model;
using Dunning.Ops.Frame;
using Dunning.Postgres;
using Microsoft.AspNetCore.Http.Features;
using NodaTime;

namespace Dunning.Pay;

/// <summary>
/// The pages behind the links in mails: <c>/pay/TOKEN</c> says what is due and has a button; the button begins a visit to the gateway's page and leads
/// there; <c>/pay/back/VISIT</c> says what came of it. Opening a page changes nothing but what a customer has finished at the gateway: mail scanners
/// open links.
/// </summary>
internal sealed class PayPages(Engine engine, CardDesk desk, WorkerSettings settings, TimeProvider time, ILogger<PayPages> logger)
{
    private const string Field = "do";
    private const string Update = "update";
    private const string Confirm = "confirm";

    // A page that lists more is no page.
    private const int MaxInvoices = 10;
    private const int MaxForm = 4096;
    private const int AskAgainSeconds = 4;

    // Most charges have their answer by then; who waits longer sees so.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(8);
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(300);
    private static readonly Duration s_usual = Duration.FromMinutes(2);
    private static readonly Duration s_backLasts = Duration.FromDays(1);

    private readonly PayAccounts _accounts = new(engine.Database.Source);
    private readonly PayPageWriter _writer = new(settings.Mail);
    private readonly PayTexts _texts = PayTexts.Load();

    /// <summary>Puts the pages' own limits and headers before them, and maps them.</summary>
    public void Map(WebApplication app)
    {
        app.UseWhen(http => http.Request.Path.StartsWithSegments("/pay", StringComparison.OrdinalIgnoreCase), pages =>
        {
            var forwarded = new ForwardedHeadersOptions { ForwardedHeaders = Microsoft.AspNetCore.HttpOverrides.ForwardedHeaders.XForwardedFor };
            foreach (var proxy in settings.Links.Proxies)
            {
                forwarded.KnownProxies.Add(proxy);
            }
            pages.UseForwardedHeaders(forwarded);
            pages.Use((http, next) =>
            {
                _writer.Protect(http.Response);
                return next(http);
            });
            pages.UseRateLimiter();
        });
        string[] reads = [HttpMethods.Get, HttpMethods.Head];
        app.MapMethods(CardDesk.BackPath + "{visit}", reads, http => GuardAsync(http, BackAsync)).IsPublic();
        app.MapPost(CardDesk.BackPath + "{visit}", http => GuardAsync(http, StartFromBackAsync)).IsPublic();
        app.MapMethods(PayLinks.Path + "{token}", reads, http => GuardAsync(http, OpenAsync)).IsPublic();
        app.MapPost(PayLinks.Path + "{token}", http => GuardAsync(http, StartFromLinkAsync)).IsPublic();
        if (engine.SandboxCards is { } sandbox)
        {
            new SandboxPages(sandbox, _writer).Map(app, GuardAsync);
        }
    }

    /// <summary>The answer to one who asks too often.</summary>
    public Task WriteTooManyAsync(HttpContext http) =>
        WriteAsync(http, Plain(WordsOf(http), "many", StatusCodes.Status429TooManyRequests));

    private async Task OpenAsync(HttpContext http)
    {
        if (await LinkAsync(http) is { } visitor)
        {
            await WriteAsync(http, await DuePageAsync(visitor, http.RequestAborted));
        }
    }

    private async Task StartFromLinkAsync(HttpContext http)
    {
        if (await LinkAsync(http) is { } visitor)
        {
            await StartAsync(http, visitor);
        }
    }

    private async Task BackAsync(HttpContext http)
    {
        var ct = http.RequestAborted;
        if (await VisitAsync(http) is not var (visitor, session))
        {
            return;
        }
        var (present, isWorthAnotherLook) = await desk.FinishAsync(session, ct);
        var page = present.State switch
        {
            "done" => await DonePageAsync(visitor, present, ct),
            "failed" => await AgainPageAsync(visitor, "declined", visitor.Words.Language.Reason(present.Code!), ct),
            _ when isWorthAnotherLook => Plain(visitor.Words, "waiting", StatusCodes.Status200OK) with { AskAgainAfter = AskAgainSeconds },
            _ => await AgainPageAsync(visitor, "unfinished", visitor.Words["unfinished"], ct),
        };
        await WriteAsync(http, page);
    }

    private async Task StartFromBackAsync(HttpContext http)
    {
        if (await VisitAsync(http) is not var (visitor, _))
        {
            return;
        }
        if (visitor.Owes)
        {
            await StartAsync(http, visitor);
        }
        else
        {
            // A link that ends with its debt must not go on by its visits.
            await WriteAsync(http, Plain(visitor.Words, "dead", StatusCodes.Status410Gone));
        }
    }

    private async Task StartAsync(HttpContext http, Visitor visitor)
    {
        var ct = http.RequestAborted;
        var form = http.Request.HasFormContentType ? await http.Request.ReadFormAsync(ct) : null;
        var waiting = form?[Field].ToString() == Confirm ? PayLinks.Waiting(visitor.File) : null;
        switch (await desk.StartAsync(visitor.File, visitor.Contact, waiting, ct))
        {
            case CardStart.Go(var url):
                http.Response.StatusCode = StatusCodes.Status303SeeOther;
                http.Response.Headers.Location = url.AbsoluteUri;
                break;
            case CardStart.Declined(var code):
                await WriteAsync(http, await AgainPageAsync(visitor, "declined", visitor.Words.Language.Reason(code), ct));
                break;
            case CardStart.TooMany:
                await WriteAsync(http, Plain(visitor.Words, "many", StatusCodes.Status429TooManyRequests));
                break;
            default:
                await WriteAsync(http, Plain(visitor.Words, "unavailable", StatusCodes.Status503ServiceUnavailable));
                break;
        }
    }

    // Whose link it is; null: it was answered that it is nobody's any more.
    private async Task<Visitor?> LinkAsync(HttpContext http)
    {
        var ct = http.RequestAborted;
        if (await engine.Links.FindAsync((string)http.GetRouteValue("token")!, ct) is not { } link)
        {
            await WriteAsync(http, Plain(WordsOf(http), "dead", StatusCodes.Status404NotFound));
            return null;
        }
        if (await VisitorAsync(link.Account, link.Contact, link.At, ct) is not { } visitor)
        {
            await WriteAsync(http, Plain(WordsOf(http), "dead", StatusCodes.Status410Gone));
            return null;
        }
        var isAlive = link.Purpose switch
        {
            LinkPurpose.Card => visitor.File.DefaultMethod?.Ref == link.Method && !visitor.File.Closed,
            LinkPurpose.Debt or LinkPurpose.Confirm => visitor.Owes,
            _ => false,
        };
        if (!isAlive)
        {
            await WriteAsync(http, Plain(visitor.Words, link.Purpose == LinkPurpose.Card ? "replaced" : "settled", StatusCodes.Status410Gone));
            return null;
        }
        return visitor;
    }

    private async Task<(Visitor, CardSessionRow)?> VisitAsync(HttpContext http)
    {
        var ct = http.RequestAborted;
        if (await desk.Sessions.FindAsync((string)http.GetRouteValue("visit")!, ct) is not { } session)
        {
            await WriteAsync(http, Plain(WordsOf(http), "dead", StatusCodes.Status404NotFound));
            return null;
        }
        if (engine.Now() - session.StartedAt.Instant() > s_backLasts
            || await VisitorAsync(session.AccountId, session.Contact, session.StartedAt.Instant(), ct) is not { } visitor)
        {
            await WriteAsync(http, Plain(WordsOf(http), "dead", StatusCodes.Status410Gone));
            return null;
        }
        return (visitor, session);
    }

    // Null: the account's end has come, the contact is gone, or what it was given is revoked.
    private async Task<Visitor?> VisitorAsync(string account, int contact, Instant given, CancellationToken ct)
    {
        if (await _accounts.FileAsync(account, ct) is not { } file || file.Contacts.FirstOrDefault(c => c.Number == contact && !c.Removed) is not { } person
            || await engine.Links.IsRevokedAsync(account, given, ct))
        {
            return null;
        }
        return new Visitor(file, person, _texts.In(settings.Texts.LanguageFor(person.Locale ?? file.Locale)));
    }

    private async Task<PayPage> DuePageAsync(Visitor visitor, CancellationToken ct)
    {
        var (words, file) = (visitor.Words, visitor.File);
        var facts = await _accounts.FactsAsync(file, engine.Now(), null, ct);
        var key = !visitor.Owes ? "card" : PayLinks.Waiting(file) is not null ? "confirm" : "debt";
        var paragraphs = ImmutableArray.CreateBuilder<string>();
        paragraphs.Add(words[key, ("amount", visitor.Total ?? ""), ("account", OneLine.Of(file.Name) ?? file.Id)]);
        // Of a confirmation the sentence above says why.
        if (key == "debt" && facts.Code is { } code)
        {
            paragraphs.Add(words["reason", ("reason", words.Language.Reason(code))]);
        }
        if (file.Charges.Any(c => c.IsOpen))
        {
            paragraphs.Add(words["underway"]);
        }
        return await DressAsync(visitor, facts, new PayPage { Language = words.Code, Title = words["title." + key], Paragraphs = paragraphs.ToImmutable() }, ct);
    }

    // What came of a visit that has changed nothing, and the button again.
    private async Task<PayPage> AgainPageAsync(Visitor visitor, string title, string why, CancellationToken ct)
    {
        var words = visitor.Words;
        return await DressAsync(visitor, await _accounts.FactsAsync(visitor.File, engine.Now(), null, ct), new PayPage
        {
            Language = words.Code,
            Title = words["title." + title],
            Paragraphs = title == "declined" ? [why, words["unconfirmed"]] : [why],
        }, ct);
    }

    private async Task<PayPage> DonePageAsync(Visitor visitor, CardSessionRow session, CancellationToken ct)
    {
        var settled = session.SettledAt!.Value.Instant();
        var started = time.GetTimestamp();
        while (true)
        {
            // What was read before the visit was handed in is out of date.
            visitor = await _accounts.FileAsync(visitor.File.Id, ct) is { } file ? visitor with { File = file } : visitor;
            if (!visitor.IsUnderWay || time.GetElapsedTime(started) > s_patience)
            {
                break;
            }
            await Task.Delay(s_look, time, ct);
        }
        var (words, facts) = (visitor.Words, await _accounts.FactsAsync(visitor.File, engine.Now(), settled, ct));
        if (visitor.IsUnderWay)
        {
            return engine.Now() - settled < s_usual
                ? Plain(words, "waiting", StatusCodes.Status200OK) with { AskAgainAfter = AskAgainSeconds } : Plain(words, "slow", StatusCodes.Status200OK);
        }
        if (!visitor.Owes)
        {
            return Plain(words, facts.HasPaid ? "paid" : "saved", StatusCodes.Status200OK) with { Tables = [[.. MethodRows(visitor)]] };
        }
        string[] why = [.. facts.Code is { } code ? [words.Language.Reason(code)] : Array.Empty<string>(), words[session.Method is null ? "unpaid" : "unconfirmed"]];
        return await DressAsync(visitor, facts, new PayPage { Language = words.Code, Title = words["title.unpaid"], Paragraphs = [.. why] }, ct);
    }

    // What is due, the method, and the buttons that help.
    private async Task<PayPage> DressAsync(Visitor visitor, PayFacts facts, PayPage page, CancellationToken ct)
    {
        var (words, open) = (visitor.Words, visitor.Open);
        var plans = open.IsEmpty ? null : (await engine.RulebookAsync(ct)).Catalog.Plans;
        var tables = ImmutableArray.CreateBuilder<ImmutableArray<(string, string)>>();
        foreach (var invoice in open.Take(MaxInvoices))
        {
            var rows = ImmutableArray.CreateBuilder<(string, string)>();
            if (facts.Numbers.TryGetValue((invoice.SubscriptionId, invoice.PeriodStart), out var number))
            {
                rows.Add((words["row.invoice"], number));
            }
            var plan = plans!.GetValueOrDefault(invoice.PlanCode)?.NameIn(words.Language.Code) ?? invoice.PlanCode;
            rows.Add((words["row.plan"], OneLine.Of(plan) ?? invoice.PlanCode));
            rows.Add((words["row.period"], words.Language.Days(invoice.PeriodStart, invoice.PeriodEnd)));
            rows.Add((words["row.amount"], words.Language.Amount(invoice.AmountDue.Minor, invoice.AmountDue.Currency)));
            tables.Add(rows.ToImmutable());
        }
        var last = ImmutableArray.CreateBuilder<(string, string)>();
        if (open.Length > 1)
        {
            var more = open.Length - MaxInvoices;
            last.Add((words["row.total"], visitor.Total + (more > 0 ? " " + words["more", ("count", more.ToString(CultureInfo.InvariantCulture))] : "")));
        }
        last.AddRange(MethodRows(visitor));
        if (last.Count > 0)
        {
            tables.Add(last.ToImmutable());
        }
        PayButton[] buttons = PayLinks.Waiting(visitor.File) is not null && visitor.Owes
            ? [new(Field, Confirm, words["button.confirm"]), new(Field, Update, words["button.other"])] : [new(Field, Update, words["button.update"])];
        return page with { Tables = tables.ToImmutable(), Buttons = [.. buttons], Note = words["elsewhere"] };
    }

    private static IEnumerable<(string Label, string Value)> MethodRows(Visitor visitor)
    {
        var (words, method) = (visitor.Words, visitor.File.DefaultMethod);
        if (words.Language.Card(method?.Brand, method?.Last4) is { } card)
        {
            yield return (words["row.card"], card);
        }
        if (method?.Expires is { } month)
        {
            yield return (words["row.expires"], words.Language.Month(month));
        }
    }

    private static PayPage Plain(PayWords words, string key, int status) =>
        new() { Status = status, Language = words.Code, Title = words["title." + key], Paragraphs = [words[key]] };

    private Task WriteAsync(HttpContext http, PayPage page) => _writer.WriteAsync(http, page);

    // Who has no link that is known is spoken to in the browser's language.
    private PayWords WordsOf(HttpContext http)
    {
        var wanted = http.Request.GetTypedHeaders().AcceptLanguage.OrderByDescending(l => l.Quality ?? 1).Select(l => l.Value.Value!.Split('-')[0].ToLowerInvariant());
        return _texts.In(settings.Texts.LanguageFor(wanted.FirstOrDefault(l => _texts.Languages.Contains(l, StringComparer.Ordinal)) ?? MailTexts.FallbackLanguage));
    }

    // An address is a key: it must not get into an error's words, nor an error's words onto a page.
    private async Task GuardAsync(HttpContext http, Func<HttpContext, Task> answer)
    {
        try
        {
            if (http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
            {
                size.MaxRequestBodySize = MaxForm;
            }
            await answer(http);
        }
        catch (BadHttpRequestException e)
        {
            http.Response.StatusCode = e.StatusCode;
        }
        catch (Exception e) when (!http.RequestAborted.IsCancellationRequested && !http.Response.HasStarted && e is not OutOfMemoryException)
        {
            logger.LogError(e, "a page for a customer could not be made");
            await WriteAsync(http, Plain(WordsOf(http), "unavailable", StatusCodes.Status503ServiceUnavailable));
        }
    }

    /// <summary>Who is there, with what they may see.</summary>
    private sealed record Visitor(AccountFile File, Contact Contact, PayWords Words)
    {
        /// <summary>Unpaid, the oldest first.</summary>
        public ImmutableArray<Invoice> Open =>
            [.. File.Invoices.Where(i => i.State == InvoiceState.Open).OrderBy(i => i.PeriodStart).ThenBy(i => i.SubscriptionId, StringComparer.Ordinal)];

        public bool Owes => !Open.IsEmpty;

        /// <summary>All that is due, as its reader writes amounts.</summary>
        public string? Total => Owes ? Words.Language.Amount(Open.Aggregate(Money.Zero(File.Currency), (sum, i) => sum + i.AmountDue).Minor, File.Currency) : null;

        /// <summary>What is unpaid is being charged, or is about to be.</summary>
        public bool IsUnderWay => Open.Any(i => i.RechargeDue || File.OpenChargeOf(i) is not null);
    }
}
