using System.Text;
using Dunning.Books;

namespace Dunning.Tests.Books;

/// <summary>Each kind of wrong input: its one fault names the file, the line and the field, and says what to do.</summary>
public sealed class BookFaultTests
{
    private const string A = "accounts.jsonl";
    private const string X = "actions.jsonl";
    private const string P = "plans.json";
    private const string T = "tax.csv";
    private const string B = "book.json";
    private const int MaxLineBytes = 1 << 20;

    /// <summary>File, text to replace, replacement, line, field, part of the problem, part of the fix.</summary>
    public static TheoryData<string, string, string, int, string?, string, string> Spoilt => new()
    {
        // accounts: names of fields
        { A, "\"vat_number\"", "\"vat_numbr\"", 2, "vat_numbr", "is unknown", "is vat_number meant?" },
        { A, "\"legal_hold\":false", "\"zzzzzz\":false", 2, "zzzzzz", "is unknown", "known are id" },
        { A, "\"line2\"", "\"line22\"", 2, "address.line22", "is unknown", "is line2 meant?" },
        { A, "\"brand\"", "\"brnd\"", 2, "payment_methods[0].brnd", "is unknown", "is brand meant?" },
        { A, "\"cancel_at_period_end\"", "\"cancelAtPeriodEnd\"", 2, "subscriptions[0].cancelAtPeriodEnd", "is unknown", "is cancel_at_period_end meant?" },
        { A, "\"name\":\"Brume\",", "\"name\":\"Brume\",\"name\":\"Brume\",", 2, "name", "is there twice", "keep one" },
        { A, "\"name\":\"Brume\",", "\"name\":\"Brume\",\"n\\u0061me\":\"B\",", 2, "name", "is there twice", "keep one" },
        { A, "\"name\":\"Eva\",", "\"name\":\"Eva\",\"name\":\"\",", 2, "contacts[0].name", "is there twice", "keep one" },

        // accounts: absent and of the wrong kind
        { A, "\"id\":\"b-2\",", "", 2, "id", "is missing", "give it" },
        { A, "\"name\":\"Brume\",", "", 2, "name", "is missing", "give it" },
        { A, "\"legal_name\":\"Brume GmbH\",", "", 2, "legal_name", "is missing", "give it" },
        { A, "\"city\":\"Berlin\"", "\"city\":null", 2, "address.city", "is missing", "give it" },
        { A, "\"postal_code\":\"10115\"", "\"postal_code\":10115", 2, "address.postal_code", "must be text", "\"…\"" },
        { A, "\"credit\":500", "\"credit\":\"500\"", 2, "credit", "must be a whole number", "from 0" },
        { A, "\"legal_hold\":false", "\"legal_hold\":\"no\"", 2, "legal_hold", "must be true or false", "true or false" },
        { A, "\"payment_methods\":[]", "\"payment_methods\":{}", 1, "payment_methods", "must be a list", "[] when there is none" },
        { A, "\"payment_methods\":[]", "\"payment_methods\":[7]", 1, "payment_methods[0]", "must be an object", "{" },
        { A, "\"payment_methods\":[],", "", 1, "payment_methods", "is missing", "[] when there is none" },
        { A, "\"address\":{\"line1\":\"1 rue\",\"postal_code\":\"69002\",\"city\":\"Lyon\"}", "\"address\":\"Lyon\"", 1, "address", "must be an object", "{" },

        // accounts: texts
        { A, "\"id\":\"b-2\"", "\"id\":\"\"", 2, "id", "is empty", "give it" },
        { A, "\"id\":\"b-2\"", "\"id\":\"b\\u0007\"", 2, "id", "control character U+0007", "no control characters" },
        { A, "\"id\":\"b-2\"", "\"id\":\"b\\u0000\"", 2, "id", "control character U+0000", "no control characters" },
        { A, "\"name\":\"Brume\"", "\"name\":\"Br\\nume\"", 2, "name", "control character U+000A", "no control characters" },
        { A, "\"name\":\"Brume\"", "\"name\":\"Br\\ud800me\"", 2, null, "half of a character", "mend the JSON" },
        { A, "\"vat_number\":\"DE1\"", "\"vat_number\":\"\"", 2, "vat_number", "is empty", "leave the field out" },
        { A, "\"id\":\"pm-1\"", "\"id\":\"pm\\u007f\"", 2, "payment_methods[0].id", "control character", "no control characters" },

        // accounts: what they refer to
        { A, "\"country\":\"DE\"", "\"country\":\"de\"", 2, "country", "is no country code", "two capital letters" },
        { A, "\"country\":\"DE\"", "\"country\":\"Germany\"", 2, "country", "is no country code", "two capital letters" },
        { A, "\"country\":\"DE\"", "\"country\":\"XX\"", 2, "country", "has no rate in tax.csv", "add a row such as XX" },
        { A, "Europe/Berlin", "Europe/Berln", 2, "time_zone", "is no IANA time zone", "is Europe/Berlin meant?" },
        { A, "Europe/Berlin", "europe/berlin", 2, "time_zone", "is no IANA time zone", "is Europe/Berlin meant?" },
        { A, "Europe/Berlin", "UTC+3", 2, "time_zone", "is no IANA time zone", "" },
        { A, "\"currency\":\"EUR\",\"locale\":\"de\"", "\"currency\":\"EUX\",\"locale\":\"de\"", 2, "currency", "is no currency", "ISO 4217" },
        { A, "\"currency\":\"EUR\",\"locale\":\"fr\"", "\"currency\":\"USD\",\"locale\":\"fr\"", 1, "subscriptions[0].plan", "has no price in USD", "it has EUR, JPY" },
        { A, "\"locale\":\"de\"", "\"locale\":\"de_DE\"", 2, "locale", "is no language tag", "fr-CA" },
        { A, "\"locale\":\"de\"", "\"locale\":\"german\"", 2, "locale", "is no language tag", "fr-CA" },
        { A, "\"locale\":\"fr-CA\"", "\"locale\":\"FR\"", 2, "contacts[1].locale", "is no language tag", "fr-CA" },
        { A, "\"plan\":\"weekly\"", "\"plan\":\"weekley\"", 2, "subscriptions[1].plan", "is not in plans.json", "is weekly meant?" },

        // accounts: contacts
        { A, "\"role\":\"owner\"},{", "\"role\":\"admin\"},{", 2, "contacts", "has no owner", "role owner" },
        { A, "\"role\":\"billing\"", "\"role\":\"Billing\"", 2, "contacts[1].role", "is unknown", "owner, billing, admin" },
        { A, "\"role\":\"billing\"", "\"role\":\"billing\",\"frequency\":\"hourly\"", 2, "contacts[1].frequency", "is unknown", "one of at_once, daily, weekly" },
        { A, "\"role\":\"billing\"", "\"role\":\"billing\",\"frequency\":2", 2, "contacts[1].frequency", "must be text", "one of at_once, daily, weekly" },
        { A, "eva@brume.example", "eva.brume.example", 2, "contacts[0].email", "is no mail address", "one @" },
        { A, "eva@brume.example", "eva@@brume.example", 2, "contacts[0].email", "is no mail address", "one @" },
        { A, "eva@brume.example", "eva@brume .example", 2, "contacts[0].email", "is no mail address", "no spaces" },
        { A, "eva@brume.example", "eva@-brume.example", 2, "contacts[0].email", "is no mail address", "such as" },
        { A, "eva@brume.example", "eva@brume", 2, "contacts[0].email", "is no mail address", "such as" },
        { A, "eva@brume.example", ".eva@brume.example", 2, "contacts[0].email", "is no mail address", "such as" },
        { A, "eva@brume.example", "Eva <eva@brume.example>", 2, "contacts[0].email", "is no mail address", "such as" },
        { A, "konto@brume.example", "eva@BRUME.example", 2, "contacts[1].email", "is there already, as contacts[0]", "once" },

        // accounts: payment methods
        { A, "\"sandbox_sca\"", "\"sandbox_scaa\"", 2, "payment_methods[1].token", "is no token", "sandbox_decline_CODE" },
        { A, "\"sandbox_sca\"", "\"sandbox_drop_x0\"", 2, "payment_methods[1].token", "is no token", "N from 1" },
        { A, "\"sandbox_sca\"", "\"pm_card_visa\"", 2, "payment_methods[1].token", "is no token", "sandbox_ok" },
        { A, "\"2029-06\"", "\"06/2029\"", 2, "payment_methods[0].exp", "is no month", "2029-06" },
        { A, "\"2029-06\"", "\"2029-13\"", 2, "payment_methods[0].exp", "is no month", "2029-06" },
        { A, "\"2029-06\"", "\"2029-06-30\"", 2, "payment_methods[0].exp", "is no month", "2029-06" },
        { A, "\"backup\":true", "\"default\":true", 2, "payment_methods[1].default", "is true of payment_methods[0], too", "at most one" },
        { A, "\"pm-2\"", "\"pm-1\"", 2, "payment_methods[1].id", "is there already in this account", "once" },
        { A, "\"4242\"", "\"424242\"", 2, "payment_methods[0].last4", "is not four digits", "last four" },

        // accounts: numbers
        { A, "\"credit\":500", "\"credit\":-1", 2, "credit", "is out of range", "from 0" },
        { A, "\"credit\":500", "\"credit\":1000000000001", 2, "credit", "is out of range", "to 1000000000000" },
        { A, "\"credit\":500", "\"credit\":99999999999999999999", 2, "credit", "is out of range", "to 1000000000000" },
        { A, "\"credit\":500", "\"credit\":5.5", 2, "credit", "must be a whole number", "a whole number" },
        { A, "\"quantity\":7", "\"quantity\":0", 2, "subscriptions[0].quantity", "is out of range", "from 1 to 1000000" },
        { A, "\"quantity\":7", "\"quantity\":1000001", 2, "subscriptions[0].quantity", "is out of range", "from 1 to 1000000" },
        { A, "\"quantity\":7", "\"quantity\":1e2", 2, "subscriptions[0].quantity", "must be a whole number", "from 1 to 1000000" },

        // accounts: dates
        { A, "\"2026-03-31\"", "\"2026-03-30\"", 2, "subscriptions[0].renews_on", "is no period boundary", "2026-02-28 and 2026-03-31" },
        { A, "\"2026-03-17\"", "\"2026-03-10\"", 2, "subscriptions[1].renews_on", "is no period boundary", "2026-03-03 and 2026-03-17" },
        { A, "\"2026-03-31\"", "\"2026-02-30\"", 2, "subscriptions[0].renews_on", "is no date", "2026-03-31" },
        { A, "\"2026-03-31\"", "\"31.03.2026\"", 2, "subscriptions[0].renews_on", "is no date", "2026-03-31" },
        { A, "\"2025-01-31\"", "\"1969-12-31\"", 2, "subscriptions[0].anchor", "is out of range", "1970 to 2200" },
        { A, "\"2026-03-31\"", "\"2201-01-31\"", 2, "subscriptions[0].renews_on", "is out of range", "1970 to 2200" },
        { A, "\"2026-03-31\"", "\"2026-02-28\"", 2, "subscriptions[0].renews_on", "is overdue", "--allow-overdue" },
        { A, "\"2026-03-31\"", "\"2026-01-31\"", 2, "subscriptions[0].renews_on", "by more than one period", "--skip-missed starts it at its next boundary, 2026-03-31" },

        // accounts: the file
        { A, "\"id\":\"b-2\"", "\"id\":\"a-1\"", 2, "id", "is there already, on line 1", "once" },
        { A, "\"b-2-s2\"", "\"a-1-s1\"", 2, "subscriptions[1].id", "is there already, on line 1", "unique" },
        { A, "\"b-2-s2\"", "\"b-2-s1\"", 2, "subscriptions[1].id", "is there already, on line 2", "unique" },
        { A, "{\"id\":\"b-2\"", "{\"id\" \"b-2\"", 2, null, "is broken JSON", "mend" },
        { A, "{\"id\":\"b-2\"", "[{\"id\":\"b-2\"", 2, null, "is broken JSON", "mend" },
        { A, "{\"id\":\"b-2\"", "7\n{\"id\":\"b-2\"", 2, null, "must be an object", "one object a line" },
        { A, "{\"id\":\"b-2\"", "{} {\"id\":\"b-2\"", 2, null, "is broken JSON", "one object a line" },

        // plans
        { P, "{\"code\": \"weekly\"", "{\"code\": \"team\", \"name\": {\"en\": \"T\"}, \"interval\": \"day\", \"interval_count\": 1, \"prices\": {\"EUR\": 1}},\n {\"code\": \"weekly\"", 3, "[1].code", "is there already", "once" },
        { P, ", \"prices\": {\"EUR\": 999}", "", 3, "[1].prices", "is missing", "give it" },
        { P, "{\"EUR\": 999}", "{}", 3, "[1].prices", "has no price", "{\"EUR\": 1500}" },
        { P, "\"EUR\": 999", "\"EUX\": 999, \"EUR\": 9", 3, "[1].prices.EUX", "is no currency", "ISO 4217" },
        { P, "\"EUR\": 999", "\"EUR\": -1", 3, "[1].prices.EUR", "is out of range", "from 0" },
        { P, "\"EUR\": 999", "\"EUR\": 9.99", 3, "[1].prices.EUR", "must be a whole number", "from 0" },
        { P, "\"EUR\": 999", "\"EUR\": 999, \"EUR\": 999", 3, "[1].prices.EUR", "is there twice", "keep one" },
        { P, "\"interval_count\": 2", "\"interval_count\": 0", 3, "[1].interval_count", "is out of range", "from 1 to 1200" },
        { P, "\"interval_count\": 2", "\"interval_count\": 1201", 3, "[1].interval_count", "is out of range", "from 1 to 1200" },
        { P, "\"interval\": \"week\"", "\"interval\": \"weeks\"", 3, "[1].interval", "is unknown", "day, week, month, year" },
        { P, "{\"en\": \"Weekly\"}", "{}", 3, "[1].name", "has no language", "at least one" },
        { P, "{\"en\": \"Weekly\"}", "{\"English\": \"Weekly\"}", 3, "[1].name.English", "is no language", "by language" },
        { P, "{\"en\": \"Weekly\"}", "\"Weekly\"", 3, "[1].name", "must be an object", "{" },
        { P, "\"prices\": {\"EUR\": 999}", "\"price\": {\"EUR\": 999}, \"prices\": {\"EUR\": 999}", 3, "[1].price", "is unknown", "is prices meant?" },

        // tax rates
        { T, "country,rate_bp,eu", "land,rate,eu", 1, null, "is not the header", "country,rate_bp,eu" },
        { T, "JP,1000,0", "jp,1000,0", 4, "country", "is no country code", "two capital letters" },
        { T, "JP,1000,0", "JP,10001,0", 4, "rate_bp", "is no rate", "from 0 to 10000" },
        { T, "JP,1000,0", "JP,10%,0", 4, "rate_bp", "is no rate", "basis points" },
        { T, "JP,1000,0", "JP,1000,yes", 4, "eu", "is neither 0 nor 1", "member of the EU" },
        { T, "JP,1000,0", "JP,1000", 4, null, "has 2 columns, not 3", "FR,2000,1" },
        { T, "JP,1000,0", "DE,1000,0", 4, "country", "is there already, on line 3", "keep one" },

        // actions
        { X, "2026-03-04", "2026-03-02", 3, "at", "is before the action above it", "sort the file" },
        { X, "2026-03-04T09:00:00Z", "2026-03-04T09:00:00+01:00", 3, "at", "is no instant in UTC", "2026-03-01T08:00:00Z" },
        { X, "\"account\":\"a-1\"", "\"account\":\"a-9\"", 1, "account", "is not in accounts.jsonl", "mend the id" },
        { X, "\"do\":\"add_contact\"", "\"do\":\"add_contct\"", 3, "do", "is no action", "is add_contact meant?" },
        { X, "\"do\":\"add_contact\",", "", 3, "do", "is missing", "give it" },
        { X, "\"role\":\"admin\"", "\"role\":\"admin\",\"frequency\":\"monthly\"", 3, "frequency", "is unknown", "one of at_once, daily, weekly" },
        { X, "\"role\":\"admin\"", "\"role\":\"admin\",\"locale\":\"FR\"", 3, "locale", "is no language tag", "fr-CA" },
        { X, "\"do\":\"add_contact\",\"email\":\"max@brume.example\",\"role\":\"admin\",\"name\":\"Max\"", "\"do\":\"set_contact\",\"frequency\":\"daily\"", 3, "email", "is missing", "give it" },
        { X, "\"role\":\"admin\"", "\"role\":\"boss\"", 3, "role", "is unknown", "owner, billing, admin" },
        { X, ",\"role\":\"admin\"", "", 3, "role", "is missing", "owner, billing, admin" },
        { X, "max@brume.example", "max", 3, "email", "is no mail address", "one @" },
        { X, ",\"value\":true", "", 4, "value", "is missing", "true or false" },
        { X, ",\"amount\":0", "", 1, "amount", "is missing", "whole number" },
        { X, "\"amount\":0", "\"amount\":0,\"plan\":\"team\"", 1, "plan", "is unknown", "known are at, account, do, amount" },
        { X, "\"days\":-3", "\"days\":3651", 5, "days", "is out of range", "from -3650 to 3650" },
        { X, "sandbox_decline_do_not_honor", "sandbox_decline", 2, "token", "is no token", "sandbox_decline_CODE" },
        { X, "\"2029-07\"", "\"2029\"", 2, "exp", "is no month", "2029-06" },
        { X, "\"subscription\":\"b-2-s1\",", "", 4, "subscription", "is missing", "give it" },
        { X, "\"do\":\"credit\"", "\"do\":", 1, null, "is broken JSON", "mend" },

        // the book
        { B, "\"tick_minutes\"", "\"tick\"", 4, "tick", "is unknown", "" },
        { B, "\"2026-06-30T00:00:00Z\"", "\"2026-02-28T00:00:00Z\"", 3, "to", "is before from", "first to the last" },
        { B, "\"2026-06-30T00:00:00Z\"", "\"2026-06-30\"", 3, "to", "is no instant", "2026-03-01T08:00:00Z" },
        { B, "\"tick_minutes\": 60", "\"tick_minutes\": 0", 4, "tick_minutes", "is out of range", "from 1" },
        { B, "\"2026-04-02T00:00:00Z\"", "\"2026-03-02T00:00:00Z\"", 5, "outages[0]", "ends before it has begun", "[start, end]" },
        { B, ", \"2026-04-02T00:00:00Z\"", "", 5, "outages[0]", "must be a pair", "[start, end]" },
        { B, "Dunning:ChargeAt", "Dunning:ChargAt", 6, "settings.Dunning:ChargAt", "is no setting", "is Dunning:ChargeAt meant?" },
        { B, "\"09:00\"", "[]", 6, "settings.Dunning:ChargeAt", "must be text", "\"…\"" },
    };

    [Theory]
    [MemberData(nameof(Spoilt))]
    public async Task The_fault_says_where_it_is_and_what_to_do(
        string file, string old, string @new, int line, string? field, string problem, string fix)
    {
        using var folder = new BookFolder();
        folder.Replace(file, old, @new);

        var fault = await folder.TheFaultAsync();

        Assert.Equal((file, line, field), (fault.File, fault.Line, fault.Field));
        Assert.Contains(problem, fault.Problem, StringComparison.Ordinal);
        Assert.Contains(fix, fault.Fix, StringComparison.Ordinal);
        Assert.NotEmpty(fault.Fix);
        Assert.StartsWith($"{file}:{line}: ", fault.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("eva@", fault.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_small_book_has_no_fault()
    {
        using var folder = new BookFolder();
        await folder.TheBookAsync();
        await folder.TheBookAsync(folder.Simulation);
    }

    [Theory]
    [InlineData(A)]
    [InlineData(P)]
    [InlineData(T)]
    public async Task A_missing_file_is_a_fault(string file)
    {
        using var folder = new BookFolder();
        File.Delete(folder.In(file));

        var fault = await folder.TheFaultAsync();

        Assert.Equal(file, fault.File);
        Assert.Contains("is missing", fault.Problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(A)]
    [InlineData(P)]
    [InlineData(T)]
    [InlineData(B)]
    public async Task An_empty_file_is_a_fault(string file)
    {
        using var folder = new BookFolder();
        folder.Write(file, "");
        File.Delete(folder.In(X));

        var fault = await folder.TheFaultAsync();

        Assert.Equal((file, "is empty"), (fault.File, fault.Problem));
    }

    [Fact]
    public async Task A_missing_folder_is_a_fault()
    {
        using var folder = new BookFolder();

        var fault = await folder.TheFaultAsync(folder.Import with { Folder = folder.In("nowhere") });

        Assert.Equal("is no folder", fault.Problem);
    }

    [Fact]
    public async Task A_simulation_needs_the_book_and_an_import_does_not()
    {
        using var folder = new BookFolder();
        File.Delete(folder.In(B));

        Assert.Null((await folder.TheBookAsync()).Span);
        Assert.Equal(B, (await folder.TheFaultAsync(folder.Simulation)).File);
    }

    [Fact]
    public async Task Actions_need_not_be_there()
    {
        using var folder = new BookFolder();
        File.Delete(folder.In(X));

        Assert.Empty((await folder.TheBookAsync()).Actions);
    }

    [Theory]
    [InlineData(A, 2)]
    [InlineData(X, 2)]
    [InlineData(P, 3)]
    [InlineData(T, 3)]
    public async Task A_wrong_encoding_is_a_fault_with_line_and_byte(string file, int line)
    {
        using var folder = new BookFolder();
        var bytes = File.ReadAllBytes(folder.In(file));
        var start = 0;
        for (var i = 1; i < line; i++)
        {
            start = Array.IndexOf(bytes, (byte)'\n', start) + 1;
        }
        bytes[start + 1] = 0xE9; // é of ISO 8859-1
        File.WriteAllBytes(folder.In(file), bytes);

        var fault = await folder.TheFaultAsync();

        Assert.Equal((file, line), (fault.File, fault.Line));
        Assert.Contains($"is not UTF-8 at byte {start + 1} of the file (0xE9)", fault.Problem, StringComparison.Ordinal);
        Assert.Contains("UTF-8", fault.Fix, StringComparison.Ordinal);
    }

    [Fact]
    public async Task UTF_16_is_told_as_such()
    {
        using var folder = new BookFolder();
        File.WriteAllText(folder.In(P), BookFolder.Plans, Encoding.Unicode);

        Assert.Contains("but UTF-16", (await folder.TheFaultAsync()).Problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_byte_order_mark_and_CRLF_and_blank_lines_do_no_harm()
    {
        using var folder = new BookFolder();
        foreach (var file in new[] { A, X, P, T, B })
        {
            var text = File.ReadAllText(folder.In(file)).Replace("\n", "\r\n", StringComparison.Ordinal) + (file is A or X ? "\r\n \r\n" : "");
            File.WriteAllText(folder.In(file), text, new UTF8Encoding(encoderShouldEmitUTF8Identifier: true));
        }

        Assert.Equal(2, (await folder.TheBookAsync()).AccountCount);
    }

    [Theory]
    [InlineData(MaxLineBytes, true)]
    [InlineData(MaxLineBytes + 1, false)]
    public async Task A_line_has_a_limit(int length, bool isRead)
    {
        using var folder = new BookFolder();
        var padded = BookFolder.Account1.Insert(1, new string(' ', length - Encoding.UTF8.GetByteCount(BookFolder.Account1)));
        folder.Write(A, padded + "\n" + BookFolder.Account2 + "\n");

        if (isRead)
        {
            Assert.Equal(2, (await folder.TheBookAsync()).AccountCount);
            return;
        }
        var fault = await folder.TheFaultAsync();
        Assert.Equal((A, 1), (fault.File, fault.Line));
        Assert.Contains("is longer than 1048576 bytes", fault.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_lines_after_one_that_is_much_too_long_keep_their_numbers()
    {
        using var folder = new BookFolder();
        File.Delete(folder.In(X));
        folder.Write(A, new string('x', 5_000_000) + "\n" + BookFolder.Account2.Replace("\"DE\"", "\"XX\"", StringComparison.Ordinal) + "\n");

        var faults = (await folder.ReadAsync()).Faults.Listed;

        Assert.Equal([1, 2], faults.Select(f => f.Line!.Value));
        Assert.Equal("country", faults[1].Field);
    }

    [Theory]
    [InlineData(200, true)]
    [InlineData(201, false)]
    public async Task An_id_has_up_to_200_characters(int length, bool isRead)
    {
        using var folder = new BookFolder();
        // Characters, not code units: each of these is two.
        var id = string.Concat(Enumerable.Repeat("𝄞", length));
        folder.Replace(A, "\"b-2-s2\"", $"\"{id}\"");

        if (isRead)
        {
            await folder.TheBookAsync();
            return;
        }
        var fault = await folder.TheFaultAsync();
        Assert.Equal("subscriptions[1].id", fault.Field);
        Assert.Contains("has 201 characters, more than 200", fault.Problem, StringComparison.Ordinal);
        Assert.True(fault.Value!.Length < 100);
    }

    [Theory]
    [InlineData(1_000_000, true)]
    [InlineData(1_000_001, false)]
    public async Task Unit_price_times_quantity_has_a_limit(long price, bool isRead)
    {
        using var folder = new BookFolder();
        folder.Replace(P, "\"EUR\": 999", $"\"EUR\": {price}");
        folder.Replace(A, "\"quantity\":3", "\"quantity\":1000000");

        if (isRead)
        {
            await folder.TheBookAsync();
            return;
        }
        var fault = await folder.TheFaultAsync();
        Assert.Equal("subscriptions[1].quantity", fault.Field);
        Assert.Contains("is more than 1000000000000", fault.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_sellers_country_needs_a_rate()
    {
        using var folder = new BookFolder();

        var fault = await folder.TheFaultAsync(folder.Import with { Settings = [new("Dunning:Seller:Country", "IT")] });

        Assert.Equal((T, "country"), (fault.File, fault.Field));
        Assert.Contains("add a row such as IT", fault.Fix, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrong_setting_is_a_fault()
    {
        using var folder = new BookFolder();
        folder.Replace(B, "\"09:00\"", "\"25:00\"");

        var fault = await folder.TheFaultAsync(folder.Simulation);

        Assert.Equal((B, "settings"), (fault.File, fault.Field));
        Assert.Contains("Dunning:ChargeAt is '25:00'", fault.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task All_faults_are_found_at_once_and_the_list_has_an_end()
    {
        using var folder = new BookFolder();
        folder.Write(T, BookFolder.Tax.Replace("JP", "jp", StringComparison.Ordinal));
        folder.Replace(P, "\"interval\": \"week\"", "\"interval\": \"fortnight\"");
        folder.Replace(X, "\"account\":\"a-1\"", "\"account\":\"a-9\"");
        folder.Write(A, string.Concat(Enumerable.Range(0, 300).Select(i => BookFolder.Account1
            .Replace("a-1", $"a-{i + 10}", StringComparison.Ordinal).Replace("\"FR\"", "\"fr\"", StringComparison.Ordinal) + "\n")) + BookFolder.Account2);

        var reading = await folder.ReadAsync();

        Assert.Null(reading.Book);
        Assert.Equal(303, reading.Faults.Count);
        Assert.Equal(200, reading.Faults.Listed.Count);
        Assert.Equal([T, P, A], reading.Faults.Listed.Select(f => f.File).Distinct());
        Assert.Equal("and 103 more faults (of 303)", reading.Faults.Describe().Last());
    }

    [Fact]
    public async Task The_faults_of_a_plan_are_not_told_again_with_each_of_its_subscriptions()
    {
        using var folder = new BookFolder();
        folder.Replace(P, "\"interval\": \"week\"", "\"interval\": \"fortnight\"");

        Assert.Equal("[1].interval", (await folder.TheFaultAsync()).Field);
    }

    [Fact]
    public async Task Addresses_and_tokens_are_masked_and_control_characters_shown_as_escapes()
    {
        using var folder = new BookFolder();
        folder.Replace(A, "eva@brume.example", "eva eva@brume.example");
        folder.Replace(A, "\"sandbox_sca\"", "\"pm_1NXyZSecretSecret\"");
        folder.Replace(A, "\"name\":\"Brume\"", "\"name\":\"\\u001b[2JBrume\"");

        var text = string.Join('\n', (await folder.ReadAsync()).Faults.Describe());

        Assert.Contains("\"e…@brume.example\"", text, StringComparison.Ordinal);
        Assert.Contains("\"pm_1NXyZSecr…\" (20 characters)", text, StringComparison.Ordinal);
        Assert.Contains("\\u001b[2JBrume", text, StringComparison.Ordinal);
        Assert.DoesNotContain("eva eva", text, StringComparison.Ordinal);
        Assert.DoesNotContain("SecretSecret", text, StringComparison.Ordinal);
        Assert.DoesNotContain('\u001b', text);
    }
}
