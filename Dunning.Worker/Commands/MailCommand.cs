using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using System.Net;
using System.Text;
using Dunning.Mail;
using Dunning.Model;
using NodaTime;

namespace Dunning.Commands;

/// <summary><c>mail preview|send|lint</c>: for those who write the mails. These need no database.</summary>
internal static class MailCommand
{
    private const string All = "all";
    private const string DefaultFolder = "mail-preview";

    // Fixed, so that the same templates give the same files.
    private static readonly Instant s_sampleDate = Instant.FromUtc(2026, 3, 3, 8, 0);

    public static Command Create(CommandContext context) => new(
        "mail",
        """
        Look at the mails, try them, and check the templates: of sample data; no account is read, nothing is charged.

          dunning mail preview
          dunning mail send payment_failed --to me@example.com --locale fr
          dunning mail lint my-templates

        Look at what has been sent or not, and send again what is dead.

          dunning mail list --state dead
          dunning mail resend --all-dead
          dunning mail list --bouncing
          dunning mail bounce returned/*.eml

        A folder of templates of your own goes over the built-in ones, file by file: Mail:Templates. docs/mails.md says what is in it.
        """)
    { Preview(context), Send(context), Lint(context), OutboxCommands.List(context), OutboxCommands.Resend(context), OutboxCommands.Bounce(context), OutboxCommands.Reachable(context) };

    private static Command Preview(CommandContext context)
    {
        var template = TemplateArgument("What to write: a template, one of its cases, or all", [All, .. Names()]);
        template.DefaultValueFactory = _ => All;
        var locale = new Option<string?>("--locale") { Description = "One language, such as fr. Default: every language there is" };
        var folder = new Option<DirectoryInfo?>("--out") { Description = $"Where to write. Default: {DefaultFolder}" };
        var command = new Command("preview",
            """
            Write mails from sample data, with the configured company, colours and links, as a page (.html), as text (.txt) and as the message that
            would leave (.eml), and an index.html to look through them. Cases in which a mail reads otherwise have files of their own. A name that is
            not there is answered with all there are.

              dunning mail preview
              dunning mail preview payment_failed --locale fr --out /tmp/mails
            """)
        { template, locale, folder };
        command.SetAction(async (parsed, ct) =>
        {
            var (options, texts) = ReadMails(context, parsed);
            var languages = parsed.GetValue(locale) is { } one ? [LanguageOf(texts, one)] : texts.Languages.ToImmutableArray();
            var output = (parsed.GetValue(folder) ?? new DirectoryInfo(DefaultFolder)).FullName;
            var name = parsed.GetValue(template)!;
            var samples = MailSamples.All.Where(s => name == All || s.Template == name || s.Name == name).ToList();
            try
            {
                await WriteAsync(output, samples, languages, texts, options, ct);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new CommandException($"the mails can't be written into {output}: {e.Message}");
            }
            await context.Output.WriteLineAsync(string.Create(CultureInfo.InvariantCulture,
                $"{samples.Count * languages.Length} mails ({string.Join(", ", languages)}): open {Path.Combine(output, "index.html")}"));
            return CommandLine.Ok;
        });
        return command;
    }

    private static Command Send(CommandContext context)
    {
        var template = TemplateArgument("A template, or one of its cases", [.. Names()]);
        var to = new Option<string>("--to") { Description = "The address that gets it", Required = true };
        var locale = new Option<string>("--locale") { Description = "Its language, such as fr", DefaultValueFactory = _ => MailTexts.FallbackLanguage };
        var command = new Command("send",
            """
            Send one sample mail by the configured transport (Mail:Transport), to see that it arrives and how it looks there. Nothing is stored and
            nothing is tried again.

              dunning mail send receipt --to me@example.com
              dunning mail send payment_failed-authentication --to me@example.com --locale fr
            """)
        { template, to, locale };
        command.SetAction(async (parsed, ct) =>
        {
            var (options, texts) = ReadMails(context, parsed);
            var address = parsed.GetValue(to)!;
            var mailbox = Mailbox.Find(address, null)
                ?? throw new CommandException($"--to is '{address}', but must be a bare address, such as me@example.com");
            var language = LanguageOf(texts, parsed.GetValue(locale)!);
            var name = parsed.GetValue(template);
            // A mail of its own each time: mailboxes take an equal Message-ID for the one they have.
            var message = MailSamples.Compose(MailSamples.All.First(s => s.Name == name), texts, options, language, mailbox,
                Guid.NewGuid().ToString("N"), Instant.FromDateTimeOffset(context.Time.GetUtcNow()));
            await using var transport = MailTransports.Create(options);
            var delivery = await transport.SendAsync(message, ct);
            if (delivery.Verdict != Ports.DeliveryVerdict.Accepted)
            {
                throw new CommandException($"not sent by {Describe(options)}: {delivery.Detail}");
            }
            await context.Output.WriteLineAsync($"sent by {Describe(options)}: '{message.Subject}', {message.MessageId}");
            return CommandLine.Ok;
        });
        return command;
    }

    private static Command Lint(CommandContext context)
    {
        var folder = new Argument<DirectoryInfo?>("FOLDER")
        {
            Description = "A folder of templates, over the built-in ones. Default: Mail:Templates",
            DefaultValueFactory = _ => null,
        };
        var command = new Command("lint",
            """
            Check templates: placeholders, translations and words that are missing or unknown, each with file and line; then every mail in every
            language from sample data: links, size, colours in the light and in the dark, alt texts, nothing loaded but the logo, and that the page
            says what the text says. Exit code 1 when something is wrong.

              dunning mail lint
              dunning mail lint my-templates
            """)
        { folder };
        command.SetAction(async (parsed, ct) =>
        {
            var options = ReadOptions(context, parsed);
            var (texts, faults) = MailTexts.Find(parsed.GetValue(folder)?.FullName ?? options.TemplatesFolder);
            if (texts is not null)
            {
                faults = MailLint.Check(texts, options);
            }
            foreach (var fault in faults)
            {
                await context.Error.WriteLineAsync(fault);
            }
            if (faults.Length > 0)
            {
                await context.Error.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"{faults.Length} faults"));
                return CommandLine.Wanting;
            }
            await context.Output.WriteLineAsync(string.Create(CultureInfo.InvariantCulture,
                $"{MailTemplates.All.Length} mails in {string.Join(", ", texts!.Languages)}, {MailSamples.All.Length} samples each: no faults"));
            return CommandLine.Ok;
        });
        return command;
    }

    private static Argument<string> TemplateArgument(string description, string[] names)
    {
        var argument = new Argument<string>("TEMPLATE") { Description = description, HelpName = "TEMPLATE" };
        argument.AcceptOnlyFromAmong(names);
        return argument;
    }

    private static IEnumerable<string> Names() => MailSamples.All.Select(s => s.Name);

    private static MailOptions ReadOptions(CommandContext context, ParseResult parsed)
    {
        var (options, faults) = MailOptions.Read(context.Configure(parsed).AsEnumerable());
        return options ?? throw Faulty("the configuration has faults:", faults);
    }

    private static (MailOptions Options, MailTexts Texts) ReadMails(CommandContext context, ParseResult parsed)
    {
        var options = ReadOptions(context, parsed);
        var (texts, faults) = MailTexts.Find(options.TemplatesFolder);
        return (options, texts ?? throw Faulty("the templates have faults:", faults));
    }

    private static CommandException Faulty(string what, IEnumerable<string> faults) =>
        new(what + string.Concat(faults.Select(f => Environment.NewLine + "  " + f)));

    internal static string LanguageOf(MailTexts texts, string locale) =>
        texts.Languages.Contains(locale.Split('-', '_')[0].ToLowerInvariant(), StringComparer.Ordinal) ? texts.LanguageFor(locale).Code
            : throw new CommandException($"--locale is '{locale}', but there is no folder of templates for it, only for {string.Join(", ", texts.Languages)}");

    private static string Describe(MailOptions options) =>
        options.Transport == MailWay.Smtp ? options.Smtp!.ToString() : "pickup into " + Path.GetFullPath(options.PickupFolder);

    private static async Task WriteAsync(
        string folder, IReadOnlyList<MailSample> samples, ImmutableArray<string> languages, MailTexts texts, MailOptions options, CancellationToken ct)
    {
        var rows = new StringBuilder();
        var reader = Mailbox.Find("ada@example.com", "Ada Mercier")!;
        foreach (var language in languages)
        {
            Directory.CreateDirectory(Path.Combine(folder, language));
            foreach (var sample in samples)
            {
                var message = MailSamples.Compose(sample, texts, options, language, reader, "preview", s_sampleDate);
                var path = Path.Combine(folder, language, sample.Name);
                await File.WriteAllTextAsync(path + ".html", message.Html, ct);
                await File.WriteAllTextAsync(path + ".txt", $"{message.Subject}\n\n{message.Text}", ct);
                await File.WriteAllBytesAsync(path + ".eml", MessageWriter.Write(message), ct);
                var file = $"{language}/{sample.Name}";
                rows.Append(CultureInfo.InvariantCulture,
                    $"<tr><td>{language}</td><td><a href=\"{file}.html\" target=\"mail\">{sample.Name}</a></td><td>{WebUtility.HtmlEncode(message.Subject)}</td><td><a href=\"{file}.txt\" target=\"mail\">txt</a> <a href=\"{file}.eml\">eml</a></td></tr>\n");
            }
        }
        await File.WriteAllTextAsync(Path.Combine(folder, "index.html"),
            $$"""
            <!DOCTYPE html>
            <html lang="en">
            <head><meta charset="utf-8" /><title>Mails</title>
            <style>
            :root { color-scheme: light dark; } body { margin: 0; display: flex; height: 100vh; font: 14px/1.4 sans-serif; }
            main { flex: 1 1 50%; overflow: auto; padding: 0 16px; } td { padding: 3px 12px 3px 0; vertical-align: top; }
            iframe { flex: none; width: 640px; border: 0; border-left: 1px solid #888; resize: horizontal; }
            </style></head>
            <body><main><h1>Mails</h1><table>
            {{rows}}</table></main><iframe name="mail" title="The mail"></iframe></body>
            </html>

            """, ct);
    }
}
