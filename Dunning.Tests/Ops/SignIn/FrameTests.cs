using Dunning.Mail;
using Dunning.Model;
using Dunning.Ops.Frame;

namespace Dunning.Tests.Ops.SignIn;

/// <summary>What every page is made of.</summary>
public sealed class FrameTests
{
    [Fact]
    public void What_stands_in_a_hole_is_text_whatever_it_holds()
    {
        const string Evil = "<script>alert('x')</script>\" onload=\"y & z";
        var html = Html.Of($"<p title=\"{Evil}\">{Evil}</p>{Html.Of($"<b>{42}</b>")}{Html.Each([Evil, "é"], t => Html.Of($"<li>{t}</li>"))}{(string?)null}").ToString();

        Assert.DoesNotContain("<script", html);
        Assert.DoesNotContain("\" onload", html);
        Assert.Equal(3, html.Split("&lt;script&gt;").Length - 1);
        Assert.EndsWith("<b>42</b><li>&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;&quot; onload=&quot;y &amp; z</li><li>é</li>", html);
    }

    [Fact]
    public void Texts_that_lack_a_language_a_slot_or_a_sense_are_told_all_at_once()
    {
        var (_, faults) = OpsTexts.Read(new Dictionary<string, string>
        {
            ["a.en.txt"] = "# words\none = One {x}\ntwo = Two\nno sense\n",
            ["a.fr.txt"] = "one = Un {y}\nthree = Trois\n",
            ["a.de.txt"] = "one = Eins\n",
        });
        Assert.Equal(
            [
                "a.de.txt: a file is named PART.LANGUAGE.txt, and the languages are en, fr", "a.en.txt: 'no sense' is no new 'key = value'",
                "fr: one must have the slots x", "fr: three is unknown in en", "fr: two is missing",
            ],
            faults.AsEnumerable());
    }

    [Fact]
    public void Every_decline_code_and_every_act_has_its_words_in_every_language()
    {
        var texts = OpsTexts.Load(MailTexts.Load());
        var acts = typeof(ActionNames).GetFields().Where(f => f.IsLiteral).Select(f => (string)f.GetRawConstantValue()!);
        string[] keys = [.. Declines.All.Select(d => "code." + d.Code), .. acts.Select(a => "act.name." + a)];
        Assert.True(keys.Length > 60);
        foreach (var language in OpsTexts.Languages)
        {
            Assert.Empty(keys.Where(k => texts.In(language).Find(k) is null).Select(k => $"{language}: {k}"));
        }
    }

    [Fact]
    public void Links_of_pages_hold_their_values_whole()
    {
        Assert.Equal("/ops/cases?q=a%26b%20%C3%A9", OpsPath.Of("/ops/cases", ("q", "a&b é"), ("page", null), ("sort", "")));
        Assert.All(["/ops", "/ops?x=1", "/ops/cases?q=a%26b", "/hangfire/recurring"], path => Assert.True(OpsPath.IsOurs(path)));
    }
}
