using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Unicode;
using Dunning.Mail;

namespace Dunning.Pay;

/// <summary>Something to press. It posts a form to the page's own address, so that opening a page changes nothing.</summary>
/// <param name="Name">Of the form's field.</param>
/// <param name="Value">What is posted.</param>
/// <param name="Words">What it says.</param>
internal sealed record PayButton(string Name, string Value, string Words);

/// <summary>A page as people see it.</summary>
internal sealed record PayPage
{
    /// <summary>HTTP status.</summary>
    public int Status { get; init; } = StatusCodes.Status200OK;

    /// <summary>Such as <c>fr</c>.</summary>
    public required string Language { get; init; }

    public required string Title { get; init; }

    public ImmutableArray<string> Paragraphs { get; init; } = [];

    /// <summary>Tables of label and value, one below the other.</summary>
    public ImmutableArray<ImmutableArray<(string Label, string Value)>> Tables { get; init; } = [];

    /// <summary>Below the tables.</summary>
    public string? Note { get; init; }

    /// <summary>The first is the one that is meant.</summary>
    public ImmutableArray<PayButton> Buttons { get; init; } = [];

    /// <summary>Seconds after which a browser asks again.</summary>
    public int? AskAgainAfter { get; init; }
}

/// <summary>
/// Writes pages: whole in themselves, without a script, a picture or anything from elsewhere, and with headers that let a browser run nothing else, keep
/// nothing and tell nobody the address, which is a key.
/// </summary>
internal sealed class PayPageWriter
{
    // Letters of every language as they are; what means something in HTML is escaped.
    private static readonly HtmlEncoder s_html = HtmlEncoder.Create(UnicodeRanges.All);

    private readonly string _style;
    private readonly string _policy;
    private readonly string _company;
    private readonly string _foot;

    public PayPageWriter(MailOptions mail)
    {
        var (accent, dark) = (mail.Look.Accent, mail.Look.Accent.OnDarkPaper());
        _style =
            $$"""
            :root{color-scheme:light dark;--page:#eceef2;--paper:#fff;--ink:#14171c;--soft:#555c68;--line:#dfe2e7;--box:#f4f5f7;--press:{{accent}};--on:{{accent.TextOn()}} }
            @media (prefers-color-scheme:dark){:root{--page:#101216;--paper:#1b1e24;--ink:#e8eaed;--soft:#b4bac4;--line:#3a404a;--box:#262a32;--press:{{dark}};--on:{{dark.TextOn()}} } }
            *{box-sizing:border-box}
            body{margin:0;background:var(--page);color:var(--ink);font:16px/24px -apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;overflow-wrap:anywhere}
            main,footer{max-width:560px;margin:0 auto}
            main{margin-top:32px;padding:32px 40px;background:var(--paper);border-radius:12px}
            .brand{margin:0 0 24px;font-size:15px;font-weight:700}
            h1{margin:0 0 20px;font-size:22px;line-height:30px}
            p{margin:0 0 16px}
            dl{margin:4px 0 20px;padding:6px 16px;background:var(--box);border-radius:8px;font-size:14px;line-height:20px;display:grid;grid-template-columns:36% 1fr;gap:0 16px}
            dt{padding:6px 0;color:var(--soft)}
            dd{margin:0;padding:6px 0;font-weight:600}
            button{display:inline-block;max-width:100%;margin:8px 8px 8px 0;padding:12px 24px;border:2px solid var(--press);border-radius:8px;background:var(--press);color:var(--on);font:inherit;font-weight:600;cursor:pointer;white-space:normal}
            button.other{background:transparent;color:var(--ink)}
            button:focus-visible{outline:3px solid var(--ink);outline-offset:3px}
            .small{color:var(--soft);font-size:14px;line-height:20px}
            footer{padding:16px 40px 32px;color:var(--soft);font-size:13px;line-height:20px}
            @media (max-width:480px){main{margin-top:0;padding:24px 20px;border-radius:0}footer{padding:16px 20px}button{display:block;width:100%;margin-right:0} }
            """;
        // A form may lead to any https page, as a gateway's can have the seller's own name: browsers apply the rule to where the answer sends them, too.
        _policy = $"default-src 'none'; style-src 'sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(_style)))}'; "
            + "form-action 'self' https:; base-uri 'none'; frame-ancestors 'none'";
        _company = mail.Company is { } company ? $"<p class=\"brand\">{s_html.Encode(company)}</p>\n" : "";
        _foot = mail.Look.Footer.IsEmpty ? "" : $"<footer>{string.Join("<br>\n", mail.Look.Footer.Select(s_html.Encode))}</footer>\n";
    }

    /// <summary>Headers of every answer below our paths, a redirect's too.</summary>
    public void Protect(HttpResponse response)
    {
        var headers = response.Headers;
        headers.CacheControl = "no-store";
        headers.ContentSecurityPolicy = _policy;
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        headers["X-Robots-Tag"] = "noindex, nofollow, noarchive";
        headers["Cross-Origin-Opener-Policy"] = "same-origin";
    }

    /// <summary>Sends a page.</summary>
    public Task WriteAsync(HttpContext http, PayPage page)
    {
        http.Response.StatusCode = page.Status;
        http.Response.ContentType = "text/html; charset=utf-8";
        if (page.AskAgainAfter is { } seconds)
        {
            http.Response.Headers["Refresh"] = seconds.ToString(CultureInfo.InvariantCulture);
        }
        return http.Response.WriteAsync(Html(page), http.RequestAborted);
    }

    private string Html(PayPage page)
    {
        var html = new StringBuilder(4096);
        html.Append(CultureInfo.InvariantCulture,
            $"""
            <!DOCTYPE html>
            <html lang="{page.Language}">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <meta name="robots" content="noindex, nofollow">
            <title>{s_html.Encode(page.Title)}</title>
            <style>{_style}</style>
            </head>
            <body>
            <main>
            {_company}<h1>{s_html.Encode(page.Title)}</h1>

            """);
        foreach (var paragraph in page.Paragraphs)
        {
            html.Append(CultureInfo.InvariantCulture, $"<p>{s_html.Encode(paragraph)}</p>\n");
        }
        foreach (var table in page.Tables)
        {
            html.Append("<dl>\n");
            foreach (var (label, value) in table)
            {
                html.Append(CultureInfo.InvariantCulture, $"<dt>{s_html.Encode(label)}</dt><dd>{s_html.Encode(value)}</dd>\n");
            }
            html.Append("</dl>\n");
        }
        if (!page.Buttons.IsEmpty)
        {
            html.Append("<form method=\"post\">\n");
            foreach (var (at, button) in page.Buttons.Index())
            {
                html.Append(CultureInfo.InvariantCulture,
                    $"<button{(at == 0 ? "" : " class=\"other\"")} name=\"{s_html.Encode(button.Name)}\" value=\"{s_html.Encode(button.Value)}\">{s_html.Encode(button.Words)}</button>\n");
            }
            html.Append("</form>\n");
        }
        if (page.Note is not null)
        {
            html.Append(CultureInfo.InvariantCulture, $"<p class=\"small\">{s_html.Encode(page.Note)}</p>\n");
        }
        return html.Append(CultureInfo.InvariantCulture, $"</main>\n{_foot}</body>\n</html>\n").ToString();
    }
}
