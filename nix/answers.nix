# What there is to choose from on the target, one a line: the installer's setting `choices` (src/live/answers.rs reads it).
{
  pkgs,
  # The locales that the image has, as in i18n.supportedLocales.
  locales,
}:
let
  inherit (pkgs) lib;
  all = builtins.elem "all" locales;
in
pkgs.runCommand "choices"
  {
    passAsFile = [ "supported" ];
    supported = lib.concatMapStrings (locale: "${locale}\n") (if all then [ "all" ] else locales);
  }
  ''
    mkdir $out
    cp $supportedPath $out/supported-locales

    # In UTF-8, as NixOS takes them: `de_DE.UTF-8/UTF-8`.
    sed -n 's|^ *\([^ =/]*\)/UTF-8\( .*\)*$|\1|p' ${
      if all then "${pkgs.glibcLocales}/share/i18n/SUPPORTED" else "$out/supported-locales"
    } | sort -u > $out/locales

    # Time zones among other files.
    cd ${pkgs.tzdata}/share/zoneinfo
    grep -Rla '^TZif' . | sed 's|^\./||' | grep -v '^posix/\|^right/' | sort > $out/timezones

    cd ${pkgs.kbd}/share/keymaps
    find -L . -name '*.map.gz' | sed 's|.*/||; s|\.map\.gz$||' | sort -u > $out/keymaps

    # `! layout`, then `de  German`; `! variant`, then `nodeadkeys  de: German (no dead keys)`.
    awk '
      $1 == "!" { section = $2; next }
      section == "layout" && NF { print $1 }
      section == "variant" && NF { print substr($2, 1, length($2) - 1), $1 }
    ' ${pkgs.xkeyboard_config}/share/X11/xkb/rules/base.lst | sort -u > $out/layouts

    for list in locales timezones keymaps layouts; do
      test -s $out/$list || { echo "No $list were found." >&2; exit 1; }
    done
  ''
