using System.Text.Json;

namespace Dunning.Tests.Gateways.StripeStandIn;

/// <summary>As much of an OpenAPI description as it takes to check a request: paths, query parameters, and form bodies with brackets.</summary>
internal sealed class OpenApi(JsonElement root)
{
    public static async Task<OpenApi> ReadAsync(string file)
    {
        await using var stream = File.OpenRead(file);
        return new OpenApi((await JsonDocument.ParseAsync(stream)).RootElement);
    }

    /// <summary>Fails unless the request is one that the description knows. Returns which, with the query's parameters.</summary>
    public string Check(SeenRequest request)
    {
        var parts = request.Path.Split('/');
        var path = root.GetProperty("paths").EnumerateObject().Where(p => Fits(p.Name.Split('/'), parts)).OrderBy(p => p.Name.Count(c => c == '{')).First();
        var operation = path.Value.GetProperty(request.Method.ToLowerInvariant());
        var named = ListOf(operation, "parameters").Where(p => p.GetProperty("in").GetString() == "query")
            .ToDictionary(p => p.GetProperty("name").GetString()!, StringComparer.Ordinal);
        foreach (var (key, value) in request.Query)
        {
            var name = key.Split('[')[0];
            Assert.True(named.ContainsKey(name), $"{path.Name} has no parameter {name}");
            Check(named[name].GetProperty("schema"), key, key[name.Length..], value);
        }
        Assert.All(named.Values.Where(p => p.TryGetProperty("required", out var r) && r.GetBoolean()),
            p => Assert.Contains(p.GetProperty("name").GetString()!, request.Query.Keys));
        if (request.Method == "POST")
        {
            var body = operation.GetProperty("requestBody").GetProperty("content").GetProperty("application/x-www-form-urlencoded").GetProperty("schema");
            Assert.All(request.Form, f => Assert.NotEqual("", f.Value));
            foreach (var (key, value) in request.Form)
            {
                var name = key.Split('[')[0];
                Assert.True(body.GetProperty("properties").TryGetProperty(name, out var schema), $"{path.Name} has no field {name}");
                Check(schema, key, key[name.Length..], value);
            }
            foreach (var required in ListOf(body, "required"))
            {
                Assert.Contains(request.Form, f => f.Key == required.GetString());
            }
        }
        return string.Join(' ', new[] { request.Method, path.Name, string.Join(',', request.Query.Keys.Select(k => k.Split('[')[0]).Order(StringComparer.Ordinal)) }
            .Where(p => p.Length > 0));
    }

    private static IEnumerable<JsonElement> ListOf(JsonElement element, string name) => element.TryGetProperty(name, out var list) ? list.EnumerateArray() : [];

    private void Check(JsonElement schema, string key, string rest, string value) => Assert.True(Allows(schema, rest, value), $"{key}={value} is not what {schema} allows");

    // rest: what of the name's brackets is left, such as [enabled].
    private bool Allows(JsonElement schema, string rest, string value)
    {
        if (schema.TryGetProperty("$ref", out var reference))
        {
            return Allows(reference.GetString()!.Split('/')[1..].Aggregate(root, (at, name) => at.GetProperty(name)), rest, value);
        }
        if (schema.TryGetProperty("anyOf", out var choices))
        {
            return choices.EnumerateArray().Any(c => Allows(c, rest, value));
        }
        if (rest.Length > 0)
        {
            var end = rest.IndexOf(']', StringComparison.Ordinal);
            var name = rest[1..end];
            return schema.GetProperty("type").GetString() == "object"
                && (schema.TryGetProperty("properties", out var fields) && fields.TryGetProperty(name, out var field) ? Allows(field, rest[(end + 1)..], value)
                    : schema.TryGetProperty("additionalProperties", out var more) && more.ValueKind == JsonValueKind.Object && Allows(more, rest[(end + 1)..], value));
        }
        return schema.GetProperty("type").GetString() switch
        {
            "integer" => long.TryParse(value, out _),
            "boolean" => value is "true" or "false",
            "string" => (!schema.TryGetProperty("maxLength", out var max) || value.Length <= max.GetInt32())
                && (!schema.TryGetProperty("enum", out var allowed) || allowed.EnumerateArray().Any(a => a.GetString() == value)),
            _ => false,
        };
    }

    private static bool Fits(string[] template, string[] parts) =>
        template.Length == parts.Length && template.Zip(parts).All(p => p.First == p.Second || (p.First.StartsWith('{') && p.Second.Length > 0));
}
