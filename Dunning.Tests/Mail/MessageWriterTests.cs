using System.Diagnostics;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Dunning.Mail;
using Dunning.Model;
using Xunit;

namespace Dunning.Tests.Mail;

/// <summary>What goes over the wire, and that nothing from outside can add to it.</summary>
public sealed class MessageWriterTests
{
    private static readonly string[] s_nastyNames =
    [
        "Eve\r\nBcc: victim@example.com",
        "Eve\nSubject: hijacked\n\nbody",
        "Eve\u2028Bcc: x@y\u0085\u0000\u001B[31m",
        "\"quoted\" <other@example.com>, back\\slash",
        "=?utf-8?B?RXZl?=",
        "Zoë Łukasiewicz-Ångström 日本語 👩‍👩‍👧",
        "\u202Eevil\u202C rtl",
        new string('é', 5000),
        new string('x', 5000),
        string.Concat(Enumerable.Repeat("long name ", 500)),
        "lone \uD800 surrogate",
        ".",
        "From here",
    ];

    [Fact]
    public void No_name_can_add_a_header_or_break_a_line()
    {
        foreach (var (name, language) in s_nastyNames.SelectMany(n => Samples.Texts.Languages.Select(l => (n, l))))
        {
            var options = Samples.Options with { From = Mailbox.Find("billing@acme.example", name)! };
            var mail = Samples.Compose(MailTemplates.PlanChanged, language, Samples.Rich with { Plan = name, NewPlan = name }, options, name);
            var wire = Encoding.Latin1.GetString(MessageWriter.Write(mail));

            Assert.DoesNotMatch(@"[^\x20-\x7E\r\n]", wire); // ASCII, no other control character
            Assert.DoesNotMatch(@"(?<!\r)\n|\r(?!\n)", wire);
            Assert.All(wire.Split("\r\n"), line => Assert.InRange(line.Length, 0, 78));
            var headers = wire[..wire.IndexOf("\r\n\r\n", StringComparison.Ordinal)];
            Assert.Equal(
                ["Date", "From", "Reply-To", "To", "Subject", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type", "Content-Language", "Content-Transfer-Encoding"],
                Regex.Matches(headers, @"(?m)^([A-Za-z-]+):").Select(m => m.Groups[1].Value));
            Assert.All(headers.Split("\r\n").Where(l => l[0] == ' '), l => Assert.NotEqual("", l.Trim()));
            Assert.DoesNotMatch(@"(?m)^(\.|From )", wire[headers.Length..]);
            Assert.Single(Regex.Matches(headers, "<ada@example\\.com>"));
        }
    }

    [Fact]
    public void A_plain_mail_is_readable_on_the_wire()
    {
        var mail = Samples.Compose(MailTemplates.CreditIssued, "en", Samples.Rich with { Currency = "ZAR" }) with { Text = "Hello,\n\na=b é €\nend \n" };
        Assert.Equal($"""
            Date: Tue, 03 Mar 2026 08:00:07 +0000
            From: Acme Cloud <billing@acme.example>
            Reply-To: Acme Cloud <help@acme.example>
            To: Ada Mercier <ada@example.com>
            Subject: =?utf-8?B?WkFSwqAxNC45OSBhZGRlZCB0byB5b3VyIGNyZWRpdA==?=
            Message-ID: <{mail.Key}@acme.example>
            Auto-Submitted: auto-generated
            MIME-Version: 1.0
            Content-Type: text/plain; charset=utf-8
            Content-Language: en
            Content-Transfer-Encoding: quoted-printable

            Hello,

            a=3Db =C3=A9 =E2=82=AC
            end=20

            """.ReplaceLineEndings("\r\n"), Encoding.ASCII.GetString(MessageWriter.Write(mail)));
    }

    [Fact]
    public void Parts_stand_in_order_and_the_same_message_gives_the_same_bytes()
    {
        var mail = Samples.Compose(MailTemplates.Receipt, "en", Samples.Rich) with
        {
            Subject = "Paid", Text = "Hello\n", Html = "<p>Hello</p>\n", References = "<first@acme.example>",
            Attachments = [new MailAttachment("invoice F-1.pdf", "application/pdf", new byte[60])],
        };
        var wire = Encoding.ASCII.GetString(MessageWriter.Write(mail));
        Assert.Equal($"""
            Date: Tue, 03 Mar 2026 08:00:07 +0000
            From: Acme Cloud <billing@acme.example>
            Reply-To: Acme Cloud <help@acme.example>
            To: Ada Mercier <ada@example.com>
            Subject: Paid
            Message-ID: <{mail.Key}@acme.example>
            In-Reply-To: <first@acme.example>
            References: <first@acme.example>
            Auto-Submitted: auto-generated
            MIME-Version: 1.0
            Content-Type: multipart/mixed;
             boundary="=_mixed_{mail.Key}"


            --=_mixed_{mail.Key}
            Content-Type: multipart/alternative;
             boundary="=_alternative_{mail.Key}"


            --=_alternative_{mail.Key}
            Content-Type: text/plain; charset=utf-8
            Content-Language: en
            Content-Transfer-Encoding: quoted-printable

            Hello

            --=_alternative_{mail.Key}
            Content-Type: text/html; charset=utf-8
            Content-Language: en
            Content-Transfer-Encoding: quoted-printable

            <p>Hello</p>

            --=_alternative_{mail.Key}--

            --=_mixed_{mail.Key}
            Content-Type: application/pdf
            Content-Disposition: attachment;
             filename="invoice F-1.pdf"
            Content-Transfer-Encoding: base64

            {new string('A', 76)}
            {new string('A', 4)}

            --=_mixed_{mail.Key}--

            """.ReplaceLineEndings("\r\n"), wire);
        Assert.Equal(wire, Encoding.ASCII.GetString(MessageWriter.Write(mail with { Subject = "Paid" })));
    }

    /// <summary>An independent reader: Python's, where there is one.</summary>
    [Fact]
    public async Task Files_and_both_texts_are_read_back_by_another_program()
    {
        var files = new List<MailAttachment>();
        foreach (var name in s_nastyNames.Append("facture_2026-000017.pdf").Append("Gutschrift für Łódź – 1.pdf").Append("a\"b\\c;d.pdf"))
        {
            files.Add(new MailAttachment(name, "application/pdf", Enumerable.Range(0, 1000 + files.Count).Select(i => (byte)(i * 7 % 256)).ToArray()));
        }
        var message = Samples.Compose(MailTemplates.Receipt, "fr", Samples.Rich) with
        {
            Html = "<p>Payé 14,99\u00A0€ --=_mixed_ .\n.\nFrom x</p>\n", Attachments = [.. files],
        };
        var wire = MessageWriter.Write(message);
        Assert.All(Encoding.Latin1.GetString(wire).Split("\r\n"), line => Assert.InRange(line.Length, 0, 78));
        Assert.DoesNotMatch(@"[^\x20-\x7E\r\n]", Encoding.Latin1.GetString(wire));
        using var folder = new Samples.Folder();
        await File.WriteAllBytesAsync(Path.Combine(folder.Path, "m.eml"), wire);
        const string script = """
            import email, email.policy, hashlib, json, os, sys
            m = email.message_from_binary_file(open(os.path.join(sys.argv[1], 'm.eml'), 'rb'), policy=email.policy.default)
            out = {}
            parts = list(m.walk())
            out['types'] = ' '.join(p.get_content_type() for p in parts[:4])
            out['text'] = m.get_body(('plain',)).get_content().replace('\r\n', '\n')
            out['html'] = m.get_body(('html',)).get_content().replace('\r\n', '\n')
            out['defects'] = ', '.join(str(d) for p in parts for d in p.defects)
            for i, a in enumerate(m.iter_attachments()):
                out['name%d' % i] = a.get_filename()
                out['hash%d' % i] = hashlib.sha256(a.get_content()).hexdigest()
            json.dump({'m': out}, sys.stdout)
            """;
        if (await RunPython(script, folder.Path) is not { } read)
        {
            return; // no Python here; MimeKit reads it in its own test
        }
        var got = read["m"];
        Assert.Equal("multipart/mixed multipart/alternative text/plain text/html", got["types"]);
        Assert.Equal((message.Text, message.Html, ""), (got["text"], got["html"], got["defects"]));
        for (var i = 0; i < files.Count; i++)
        {
            Assert.Equal(OneLine.Of(files[i].FileName), got[$"name{i}"]);
            Assert.Equal(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(files[i].Content.Span)), got[$"hash{i}"]);
        }
    }

    [Fact]
    public void What_a_case_mails_is_one_thread_for_each_contact()
    {
        var facts = Samples.Rich with { Step = null };
        OutgoingMessage Of(string template, int number, int? step, int contact = 1, MailFacts? other = null)
        {
            var recipient = Samples.To("ada@example.com", contact: contact);
            return Samples.Composer().Compose(Samples.Account, Samples.Mail(template, (other ?? facts) with { Step = step }, recipient) with { Number = number }, recipient)!;
        }
        var first = Of(MailTemplates.PaymentFailed, 1, 0);
        Assert.Null(first.References);
        var later = new[]
        {
            Of(MailTemplates.PaymentFailed, 2, 1), Of(MailTemplates.PaymentFailed, 3, null), Of(MailTemplates.SuspensionWarning, 4, 3),
            Of(MailTemplates.AccountSuspended, 5, 4), Of(MailTemplates.PaymentRecovered, 6, null),
        };
        Assert.All(later, m => Assert.Equal(first.MessageId, m.References));
        Assert.Equal(6, later.Append(first).Select(m => m.MessageId).Distinct().Count());
        // Another contact, another invoice, a receipt of an invoice that never failed: none of this thread.
        Assert.NotEqual(first.MessageId, Of(MailTemplates.PaymentFailed, 2, 1, contact: 2).References);
        Assert.NotEqual(first.MessageId, Of(MailTemplates.PaymentFailed, 2, 1, other: facts with { PeriodStart = new NodaTime.LocalDate(2026, 4, 3) }).References);
        Assert.Null(Of(MailTemplates.Receipt, 7, null).References);
    }

    [Theory]
    [InlineData("ada@example.com", "ada@example.com")]
    [InlineData("Ada.O'Neil+bills@Exämple.COM", "Ada.O'Neil+bills@xn--exmple-cua.com")]
    [InlineData("a@localhost", "a@localhost")]
    [InlineData("", null)]
    [InlineData("ada", null)]
    [InlineData("@example.com", null)]
    [InlineData("ada@", null)]
    [InlineData("a b@example.com", null)]
    [InlineData("ada@exam ple.com", null)]
    [InlineData("ada@example.com\r\nRCPT TO:<eve@example.com>", null)]
    [InlineData("ada\r\n@example.com", null)]
    [InlineData("<ada@example.com>", null)]
    [InlineData("ada@example.com,eve@example.com", null)]
    [InlineData("a@b@example.com", null)]
    [InlineData("\"a b\"@example.com", null)]
    [InlineData("adaé@example.com", null)]
    [InlineData(".ada@example.com", null)]
    [InlineData("ada@-example.com", null)]
    [InlineData("ada@example..com", null)]
    [InlineData("ada@[127.0.0.1]", null)]
    public void Only_what_a_server_can_be_given_is_an_address(string address, string? expected) =>
        Assert.Equal(expected, Mailbox.Find(address, null)?.Address);

    [Fact]
    public void A_message_id_is_the_same_at_every_try_and_another_for_every_message()
    {
        var (ada, bob) = (Samples.To("ada@example.com"), Samples.To("bob@example.com", contact: 2));
        var mail = Samples.Mail(MailTemplates.Receipt, Samples.Rich, ada, bob);
        var first = Samples.Composer().Compose(Samples.Account, mail, ada)!;

        var retry = ada with { Tries = 3, NextTryAt = Samples.DecidedAt, Email = "new@example.com", Name = "Someone" };
        Assert.Equal(first.MessageId, Samples.Composer().Compose(Samples.Account with { Version = 9, Name = "New" }, mail, retry)!.MessageId);
        Assert.Equal(MessageWriter.Write(first), MessageWriter.Write(Samples.Composer().Compose(Samples.Account, mail, ada with { Tries = 1 })!));
        // Frozen: a new form would make every message that is under way a new one.
        Assert.Equal("<6cfb8ba44ab3d0aef6c1a3b9b0f7f0cd@acme.example>".Length, first.MessageId.Length);
        Assert.DoesNotContain("ada", first.MessageId, StringComparison.Ordinal);

        var others = new[]
        {
            Samples.Composer().Compose(Samples.Account, mail, bob)!,
            Samples.Composer().Compose(Samples.Account, mail with { Number = 8 }, ada)!,
            Samples.Composer().Compose(Samples.Account with { Id = "acc 2" }, mail, ada)!,
            Samples.Composer(installation: "inst-2").Compose(Samples.Account, mail, ada)!,
        };
        Assert.Equal(5, others.Select(o => o.MessageId).Append(first.MessageId).Distinct().Count());
    }

    /// <summary>An independent reader: Python's, where there is one.</summary>
    [Fact]
    public async Task Pickup_files_are_read_back_by_another_program()
    {
        using var folder = new Samples.Folder();
        await using var transport = new PickupTransport(folder.Path);
        var sent = new Dictionary<string, OutgoingMessage>();
        var names = s_nastyNames.Append("Ada Mercier").ToList();
        var number = 0;
        foreach (var language in Samples.Texts.Languages)
        {
            foreach (var template in MailTemplates.All)
            {
                var name = names[number++ % names.Count];
                var recipient = Samples.To("ada@example.com", name, language);
                var mail = Samples.Mail(template, Samples.Rich with { Plan = name }, recipient) with { Number = number };
                var message = Samples.Composer().Compose(Samples.Account, mail, recipient)!;
                sent.Add(message.Key + ".eml", message);
                Assert.Equal(Delivery.Accepted, await transport.SendAsync(message, default));
            }
        }
        Assert.Equal(sent.Keys.Order(), Directory.GetFiles(folder.Path).Select(Path.GetFileName).Order());

        if (await ReadWithPython(folder.Path) is not { } read)
        {
            return; // no Python here; MimeKit reads them in its own tests
        }
        foreach (var (file, message) in sent)
        {
            var got = read[file];
            Assert.Equal("", got["defects"]);
            Assert.Equal(message.Subject, got["subject"]);
            Assert.Equal(message.Text, got["text"]);
            // Python (3.11 at least) leaves the fold between two encoded words of a name in it; MimeKit's test compares exactly.
            Assert.Equal(message.To.Name.Replace(" ", "", StringComparison.Ordinal), got["toName"].Replace(" ", "", StringComparison.Ordinal));
            Assert.Equal(message.To.Address, got["toAddress"]);
            Assert.Equal(message.MessageId, got["id"]);
            Assert.Equal("Acme Cloud", got["fromName"]);
            Assert.Equal("2026-03-03T08:00:07+00:00", got["date"]);
        }
    }

    private static Task<Dictionary<string, Dictionary<string, string>>?> ReadWithPython(string folder)
    {
        const string script = """
            import email, email.policy, json, os, sys
            out = {}
            for f in os.listdir(sys.argv[1]):
                with open(os.path.join(sys.argv[1], f), 'rb') as h:
                    m = email.message_from_binary_file(h, policy=email.policy.default)
                to, = m['To'].addresses
                defects = [str(d) for d in m.defects] + [str(d) for k in m.keys() for d in m[k].defects]
                out[f] = dict(subject=str(m['Subject']), text=m.get_content().replace('\r\n', '\n'), toName=to.display_name, toAddress=to.addr_spec,
                              id=str(m['Message-ID']), fromName=m['From'].addresses[0].display_name, date=m['Date'].datetime.isoformat(),
                              defects=', '.join(defects))
            json.dump(out, sys.stdout)
            """;
        return RunPython(script, folder);
    }

    private static async Task<Dictionary<string, Dictionary<string, string>>?> RunPython(string script, string folder)
    {
        var start = new ProcessStartInfo("python3", ["-c", script, folder]) { RedirectStandardOutput = true, RedirectStandardError = true };
        try
        {
            using var python = Process.Start(start)!;
            var error = python.StandardError.ReadToEndAsync();
            var output = await python.StandardOutput.ReadToEndAsync();
            await python.WaitForExitAsync();
            Assert.True(python.ExitCode == 0, await error);
            return JsonSerializer.Deserialize<Dictionary<string, Dictionary<string, string>>>(output);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }
}
