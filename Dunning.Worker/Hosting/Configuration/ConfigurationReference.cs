using System.Text;

namespace Dunning.Hosting.Configuration;

/// <summary>Writes <c>docs/configuration.md</c>, so that it can't say anything else than the program.</summary>
internal static class ConfigurationReference
{
    private static readonly (string Section, string Title, string Text)[] s_sections =
    [
        ("Dunning", "The rules", "A change needs a restart of all servers: the first that starts works out anew what is due, and those with the old settings do no work until they are restarted."),
        ("Payments", "Payments", "Who charges, and how: [payments.md](payments.md)."),
        ("Links", "Links", "The pages that customers reach by links in mails: [links.md](links.md)."),
        ("Mail", "Mail", "How mails leave and how they look: [delivery.md](delivery.md), [mails.md](mails.md)."),
        ("Documents", "Documents", "How invoices look and where they are handed in: [documents.md](documents.md)."),
        ("Guards", "Guards", "What stops harm to many: [guards.md](guards.md)."),
        ("Retention", "Retention", "What is kept no longer than it is needed: [housekeeping.md](housekeeping.md). Invoices, credit notes, documents and the audit are kept for good."),
        ("Jobs", "Jobs", "When the passes run."),
        ("Passes", "Passes", "Limits of a pass."),
    ];

    /// <summary>The page.</summary>
    public static string Write()
    {
        var page = new StringBuilder(
            """
            <!-- Written by 'dunning config reference': change SettingKeys.*.cs, then write it anew. -->
            # Configuration

            Every key that the program reads; any other is refused, with the one that was probably meant. All faults are told at once, each with its key, the given value, what is
            allowed and an example, and the program ends with exit code 2. Values come from, the later over the earlier:

            1. `appsettings.json` in the program's folder, then in the current one;
            2. `--config FILE`;
            3. systemd's credentials: a file `Mail__Smtp__Password` in the credentials directory (`LoadCredential=Mail__Smtp__Password:/etc/dunning/smtp.password`);
            4. environment variables, with `__` for `:` (`Mail__Smtp__Host=mail.example.com`);
            5. `--set KEY=VALUE`.

            An empty value is none. A part in braces stands for many keys: `{N}` is a number, `{PASS}` a pass.

            **Secrets** are marked 🔒. They are never shown, and each may stand in a file instead, which the key with `File` at its end names (`Mail:Smtp:PasswordFile`); it is read at
            the start, unless it is said below that it is read again.

            **Reload**: keys marked ↻ are taken by a running service without a restart, when it is told to: `systemctl reload dunning` (a SIGHUP), on Windows
            `sc.exe control dunning paramchange`. What is wrong is logged and changes nothing; other keys that changed are named in the log, and wait for a restart.

            `config show` tells what holds and where it was given, without secrets. `doctor` tries it.

            """.ReplaceLineEndings("\n"));
        foreach (var section in SettingKeys.All.GroupBy(k => k.Section))
        {
            var known = s_sections.FirstOrDefault(s => s.Section == section.Key);
            page.Append("\n## ").Append(known.Title ?? section.Key).Append("\n\n");
            if (known.Text is { } text)
            {
                page.Append(text).Append("\n\n");
            }
            page.Append("| key | default | allowed | |\n|---|---|---|---|\n");
            foreach (var key in section)
            {
                page.Append("| `").Append(key.Name).Append('`').Append(key.IsSecret ? " 🔒" : "").Append(key.IsReloadable ? " ↻" : "").Append(" | ")
                    .Append(key.Default is null ? "" : $"`{key.Default}`").Append(" | ")
                    .Append(Cell(key.Allowed)).Append(key.Example is null ? "" : $", such as `{Cell(key.Example)}`").Append(" | ")
                    .Append(Cell(key.Text)).Append(" |\n");
            }
        }
        return page.ToString();
    }

    private static string Cell(string text) => text.Replace("|", "\\|", StringComparison.Ordinal).Replace("\n", " ", StringComparison.Ordinal);
}
