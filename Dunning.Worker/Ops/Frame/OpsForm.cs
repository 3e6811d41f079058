using System.Security.Cryptography;
using Microsoft.AspNetCore.WebUtilities;

namespace Dunning.Ops.Frame;

/// <summary>
/// Forms: each posts, with the token that the visitor's session has, and answers by leading to a page (<see cref="OpsFrame.BackAsync"/>), so that nothing is
/// done twice by loading anew; one that could not be carried out is shown again (<see cref="OpsTyped"/>). Whoever takes one in needs no check of its own: <c>Needs</c> has seen to role, token and origin.
/// </summary>
internal static class OpsForm
{
    /// <summary>Name of the field with the token.</summary>
    public const string Token = "__token";

    /// <summary>Name of the field with the form's own number: the gate lets each through once.</summary>
    public const string Once = "__once";

    /// <summary>Name of the field with the reason.</summary>
    public const string Reason = "reason";

    private const int NumberBytes = 16;

    /// <summary>A form with one button, which says what is done. Clicked twice, it is carried out once.</summary>
    /// <param name="visit">Who is there.</param>
    /// <param name="action">A path of ours.</param>
    /// <param name="button">What the button says.</param>
    /// <param name="fields">Fields before the reason.</param>
    /// <param name="asksReason">Whether it has the field for the reason, which must be filled.</param>
    /// <param name="isGrave">It can't be taken back: the button says so by its colour.</param>
    /// <param name="typed">What was typed into it when it was last sent, for the reason to stay.</param>
    public static Html Post(OpsVisit visit, string action, string button, Html fields = default, bool asksReason = true, bool isGrave = false, OpsTyped? typed = null) => Html.Of(
        $"""
        <form class="act" method="post" action="{action}">
        {TokenField(visit)}{Hidden(Once, WebEncoders.Base64UrlEncode(RandomNumberGenerator.GetBytes(NumberBytes)))}{fields}{(asksReason ? ReasonField(visit.Words, typed?.Fields[Reason]) : Html.Empty)}<p class="press"><button class="{(isGrave ? "grave" : "")}">{button}</button></p>
        </form>

        """);

    /// <summary>The hidden field of a form of one's own.</summary>
    public static Html TokenField(OpsVisit visit) => Hidden(Token, visit.FormToken);

    /// <summary>Of a form's number as it was sent, its bytes; null: it is none.</summary>
    public static byte[]? NumberOf(string text)
    {
        try
        {
            return WebEncoders.Base64UrlDecode(text) is { Length: NumberBytes } number ? number : null;
        }
        catch (FormatException)
        {
            return null;
        }
    }

    /// <summary>A field that nobody sees.</summary>
    public static Html Hidden(string name, string value) => Html.Of($"<input type=\"hidden\" name=\"{name}\" value=\"{value}\">");

    /// <summary>A field to type in, with its label.</summary>
    public static Html Field(
        string name, string label, string? value = null, string type = "text", bool isRequired = true, int limit = Mandate.NameLimit, string complete = "off") => Html.Of(
        $"""<p class="field"><label>{label} <input type="{type}" name="{name}" value="{value}" maxlength="{limit}" autocomplete="{complete}"{Required(isRequired)}></label></p>""");

    /// <summary>A list to choose of.</summary>
    public static Html Choice(string name, string label, IEnumerable<(string Value, string Text)> options, string? chosen = null) => Html.Of(
        $"""
        <p class="field"><label>{label} <select name="{name}">{Html.Each(options, o => Html.Of($"<option value=\"{o.Value}\"{(o.Value == chosen ? Html.Of($" selected") : Html.Empty)}>{o.Text}</option>"))}</select></label></p>
        """);

    /// <summary>Who acts and why, of a posted form; null: the reason is missing or is none.</summary>
    public static async Task<Mandate?> MandateAsync(HttpContext http)
    {
        var form = await http.Request.ReadFormAsync(http.RequestAborted);
        return Mandate.TryMake(http.Ops().User.Name, form[Reason].ToString(), out var mandate) ? mandate : null;
    }

    private static Html ReasonField(OpsWords words, string? value) => Html.Of(
        $"""<p class="field"><label>{words["form.reason"]} <input name="{Reason}" value="{value}" maxlength="{Mandate.ReasonLimit}" autocomplete="off" required></label></p>""");

    private static Html Required(bool isRequired) => isRequired ? Html.Of($" required") : Html.Empty;
}
