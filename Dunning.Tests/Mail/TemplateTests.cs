using System.Globalization;
using Dunning.Mail;
using HandlebarsDotNet;

namespace Dunning.Tests.Mail;

/// <summary>A template that remembers writes what the library would write.</summary>
public sealed class TemplateTests
{
    private static readonly string[] s_names = ["one", "two", "three"];
    private static readonly string[] s_values = ["", "plain", "é à ü", "<b>\"R&D\" &amp; 'co'</b>", "&\u00011\u0002", "two\n\nlines", "0", "false", "{{one}}"];

    [Theory]
    [InlineData("{{one}}, {{{two}}} & {{#if three}}{{three}}{{else}}{{#if one}}no {{two}}{{/if}}{{/if}}&amp;{{{one}}}&amp;{{one}}")]
    [InlineData("{{#each items}}[{{#if two}}{{{two}}}{{else}}{{one}}{{/if}}]{{/each}} {{#if one}}{{one}}{{/if}}")]
    [InlineData("a\u0001{{one}}\u0002 {{two}}")] // holds what marks are made of
    public void It_writes_what_the_library_writes(string source)
    {
        foreach (var escapes in new[] { true, false })
        {
            var environment = Handlebars.Create(new HandlebarsConfiguration { NoEscape = !escapes, FormatProvider = CultureInfo.InvariantCulture });
            var direct = environment.Compile(source);
            var (template, page, random) = (new Template(environment, source), new PageWriter(), new Random(3));
            for (var i = 0; i < 2000; i++)
            {
                var words = s_names.ToDictionary(n => n, _ => (object)Value(), StringComparer.Ordinal);
                words["items"] = Enumerable.Range(0, random.Next(i % 100 == 0 ? 300 : 4)).Select(_ => s_names.ToDictionary(n => n, _ => Value(), StringComparer.Ordinal)).ToList();
                page.Clear();
                template.Write(page, words);
                page.Write("!"); // so that nothing is tidied away at the end
                var expected = new PageWriter();
                expected.Write(direct(words));
                expected.Write("!");
                Assert.Equal(expected.Tidy(), page.Tidy());
            }

            string Value() => s_values[random.Next(s_values.Length)];
        }
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("\n \n\t\n", "")]
    [InlineData("a", "a")]
    [InlineData("\n\na  \nb\t\n\n\n \n\nc\n\n", "a\nb\n\nc")]
    [InlineData("a\n\nb", "a\n\nb")]
    [InlineData("  a\n  b", "  a\n  b")]
    public void A_page_is_tidied(string written, string tidy)
    {
        var page = new PageWriter();
        foreach (var c in written)
        {
            page.Write(c);
        }
        Assert.Equal(tidy, page.Tidy());
    }

    [Fact]
    public void A_page_grows_and_is_used_again()
    {
        var page = new PageWriter();
        page.Write(new string('x', 100_000));
        page.Write(['y', 'z'], 1, 1);
        Assert.Equal(new string('x', 100_000) + "z", page.Tidy());
        page.Clear();
        page.Write("again");
        Assert.Equal("again", page.Tidy());
    }
}
