# Completion of teamsup for bash: eval "$(teamsup completion bash)"
_teamsup() {
    local IFS=$'\n' cur=${COMP_WORDS[COMP_CWORD]}
    COMPREPLY=($("${COMP_WORDS[0]}" completion bash "${COMP_WORDS[@]:0:COMP_CWORD+1}" 2>/dev/null))
    case ${COMPREPLY[0]-} in
        :file) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")) ;;
        :folder) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -d -- "$cur")) ;;
    esac
}
complete -F _teamsup teamsup
