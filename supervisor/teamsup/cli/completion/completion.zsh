#compdef teamsup
# Completion of teamsup for zsh: eval "$(teamsup completion zsh)" behind compinit
_teamsup() {
    local -a lines shown
    local line
    lines=("${(@f)$("${words[1]}" completion zsh "${(@)words[1,CURRENT]}" 2>/dev/null)}")
    case ${lines[1]} in
        (:file) _files; return ;;
        (:folder) _files -/; return ;;
    esac
    for line in "${lines[@]}"; do
        [[ -n $line ]] && shown+=("${${line%%$'\t'*}//:/\\:}${${(M)line#*$'\t'*}:+:${line#*$'\t'}}")
    done
    _describe -V teamsup shown
}
compdef _teamsup teamsup
